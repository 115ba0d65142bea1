import { useLayoutEffect, useRef, useState } from 'react';
import type { Frame } from './frames';

type Props = {
  frames: readonly Frame[];
  /** more may come: the end is kept in view */
  live: boolean;
  selected: Frame | undefined;
  onSelect: (frame: Frame) => void;
};

/** A row's height in pixels; the style sheet has it, too. */
const ROW = 24;
/** Rows that are drawn: more than fit. */
const DRAWN = 80;

/** The frames, of which only those in view are in the document: there can be tens of thousands. */
export function FrameList({ frames, live, selected, onSelect }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const first = Math.max(0, Math.floor(top / ROW) - 20);
  const { length } = frames;

  useLayoutEffect(() => {
    if (live && box.current) box.current.scrollTop = length * ROW;
  }, [live, length]);

  const place = selected ? frames.indexOf(selected) : -1;
  useLayoutEffect(() => {
    const { current } = box;
    if (place < 0 || !current) return;
    const [from, to] = [place * ROW, (place + 1) * ROW];
    if (from < current.scrollTop || to > current.scrollTop + current.clientHeight)
      current.scrollTop = from - current.clientHeight / 2;
  }, [place]);

  return (
    <div
      className="frame-list"
      ref={box}
      tabIndex={0}
      role="region"
      aria-label="Frames"
      onScroll={event => setTop(event.currentTarget.scrollTop)}
    >
      <ol style={{ height: length * ROW }}>
        {frames.slice(first, first + DRAWN).map((frame, index) => (
          <li
            key={frame.number}
            style={{ top: (first + index) * ROW }}
            aria-setsize={length}
            aria-posinset={first + index + 1}
          >
            <button
              type="button"
              data-kind={frame.kind}
              aria-pressed={frame === selected}
              onClick={() => onSelect(frame)}
            >
              <time>{Math.round(frame.at).toLocaleString('en')} ms</time>
              <b>{frame.type}</b>
              <code>{frame.raw.slice(0, 200)}</code>
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}
