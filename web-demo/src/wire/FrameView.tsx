import { CopyButton } from '../ui/CopyButton';
import { CloseIcon } from '../ui/icons';
import { chunkOf, type Frame } from './frames';

type Props = { frame: Frame; onClose: () => void };

/** One frame, readable. */
export function FrameView({ frame, onClose }: Props) {
  const chunk = chunkOf(frame);
  return (
    <section className="frame-view" aria-label={`Frame ${frame.number}`}>
      <header>
        <span>
          {frame.type} · {Math.round(frame.at).toLocaleString('en')} ms · read {frame.read + 1}
        </span>
        <CopyButton text={frame.raw} />
        <button
          type="button"
          className="icon-button"
          aria-label="Close the frame"
          onClick={onClose}
        >
          <CloseIcon />
        </button>
      </header>
      <pre tabIndex={0}>{chunk === undefined ? frame.raw : JSON.stringify(chunk, null, 2)}</pre>
    </section>
  );
}
