import { CopyButton } from '../ui/CopyButton';
import { CloseIcon } from '../ui/icons';
import { type Frame, parseChunk } from './frames';

type Props = { frame: Frame; onClose: () => void };

/** One frame: its type, its arrival time, and its chunk as formatted JSON. */
export function FrameDetails({ frame, onClose }: Props) {
  const chunk = parseChunk(frame);
  return (
    <section className="frame-details" aria-label={`Frame ${frame.number}`}>
      <header>
        <span>
          {frame.type} · {Math.round(frame.time).toLocaleString('en')} ms · read{' '}
          {frame.readIndex + 1}
        </span>
        <CopyButton text={frame.raw} />
        <button type="button" className="icon-button" aria-label="Close frame" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <pre tabIndex={0}>{chunk === undefined ? frame.raw : JSON.stringify(chunk, null, 2)}</pre>
    </section>
  );
}
