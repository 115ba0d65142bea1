import type { FileUIPart } from 'ai';
import { FileIcon } from '../ui/icons';
import { readableSize, sizeOf } from './files';

type Props = { part: FileUIPart; size?: number | undefined };

/** A file as a small card: a picture if it is one, else what it is called and how large it is. */
export function FileCard({ part, size = sizeOf(part) }: Props) {
  const name = part.filename ?? part.mediaType;
  // Only what is in the message itself: another host's picture would tell it who is reading.
  const shown = part.mediaType.startsWith('image/') && part.url.startsWith('data:');
  return (
    <figure className="file">
      {shown ? <img src={part.url} alt="" /> : <FileIcon />}
      <figcaption>
        <span className="file-name">{name}</span>
        <span className="faded">
          {[part.filename && part.mediaType, size !== undefined && readableSize(size)]
            .filter(Boolean)
            .join(', ')}
        </span>
      </figcaption>
    </figure>
  );
}
