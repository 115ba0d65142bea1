import { CloseIcon } from '../ui/icons';
import { FileCard } from './FileCard';
import type { Attachments } from './useAttachments';

/** What goes with the next message, each with a button that takes it away. */
export function Previews({ items, problem, remove }: Attachments) {
  return (
    <>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {items.length > 0 && (
        <ul className="previews" aria-label="Attachments">
          {items.map(({ key, part, size }) => (
            <li key={key}>
              <FileCard part={part} size={size} />
              <button
                type="button"
                className="icon-button"
                aria-label={`Remove ${part.filename ?? 'file'}`}
                onClick={() => remove(key)}
              >
                <CloseIcon />
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
