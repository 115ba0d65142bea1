import type { FileUIPart } from 'ai';
import { FileIcon } from '../ui/icons';
import { dataUrlSize, formatBytes } from './attachment';

type Props = { part: FileUIPart; size?: number | undefined };

/** A file as a small card: a thumbnail if it is an image, otherwise an icon; name, type and size. */
export function FileCard({ part, size = dataUrlSize(part.url) }: Props) {
  const name = part.filename ?? part.mediaType;
  // Data URLs only: loading an image from another host would tell that host who is reading.
  const isInlineImage = part.mediaType.startsWith('image/') && part.url.startsWith('data:');
  return (
    <figure className="file-card">
      {isInlineImage ? <img src={part.url} alt="" /> : <FileIcon />}
      <figcaption>
        <span className="file-name">{name}</span>
        <span className="muted">
          {[part.filename && part.mediaType, size !== undefined && formatBytes(size)]
            .filter(Boolean)
            .join(', ')}
        </span>
      </figcaption>
    </figure>
  );
}
