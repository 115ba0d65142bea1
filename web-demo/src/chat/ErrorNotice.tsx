import { isConnectionLost } from './useRetry';

type Props = { error: Error; onRetry: () => void };

export function ErrorNotice({ error, onRetry }: Props) {
  return (
    <div className="error-notice" role="alert">
      <p>{errorText(error)}</p>
      <button type="button" onClick={onRetry}>
        Retry
      </button>
    </div>
  );
}

/** Return the server's error text, or our own where the browser's is unhelpful. */
function errorText(error: Error): string {
  if (isConnectionLost(error)) return 'The connection to the server was lost.';
  return error.message || 'The server did not respond.';
}
