import { isLost } from './useRetry';

type Props = { error: Error; onRetry: () => void };

export function ErrorNotice({ error, onRetry }: Props) {
  return (
    <div className="notice" role="alert">
      <p>{readable(error)}</p>
      <button type="button" onClick={onRetry}>
        Retry
      </button>
    </div>
  );
}

/** What the server said; a browser's own words for a lost connection say little. */
function readable(error: Error): string {
  if (isLost(error)) return 'The connection to the server was lost.';
  return error.message || 'The server gave no answer.';
}
