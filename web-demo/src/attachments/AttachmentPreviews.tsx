import { CloseIcon } from '../ui/icons';
import { FileCard } from './FileCard';
import type { Attachments } from './useAttachments';

/** The files attached to the next message, each with a button to remove it. */
export function AttachmentPreviews({ items, error, remove }: Attachments) {
  return (
    <>
      {error && (
        <p className="error-text" role="alert">
          {error}
        </p>
      )}
      {items.length > 0 && (
        <ul className="attachment-previews" aria-label="Attachments">
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
