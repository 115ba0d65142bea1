import { useLayoutEffect, useRef, useState } from 'react';
import type { Frame } from './frames';

type Props = {
  frames: readonly Frame[];
  /** whether to scroll to new frames as they arrive */
  followEnd: boolean;
  selected: Frame | undefined;
  onSelect: (frame: Frame) => void;
};

/** Height of a row in pixels, as in the style sheet. */
const ROW_HEIGHT = 24;
/** Number of rows to render: more than fit into the viewport. */
const RENDERED_ROWS = 80;
/** Number of rows to render above the viewport. */
const OVERSCAN_ROWS = 20;

/** A virtual list of frames. There can be tens of thousands; only those in view are rendered. */
export function FrameList({ frames, followEnd, selected, onSelect }: Props) {
  const viewport = useRef<HTMLDivElement>(null);
  const [scrollTop, setScrollTop] = useState(0);
  const firstRow = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - OVERSCAN_ROWS);
  const { length } = frames;

  useLayoutEffect(() => {
    if (followEnd && viewport.current) viewport.current.scrollTop = length * ROW_HEIGHT;
  }, [followEnd, length]);

  const selectedRow = selected ? frames.indexOf(selected) : -1;
  useLayoutEffect(() => {
    const { current } = viewport;
    if (selectedRow < 0 || !current) return;
    const [top, bottom] = [selectedRow * ROW_HEIGHT, (selectedRow + 1) * ROW_HEIGHT];
    if (top < current.scrollTop || bottom > current.scrollTop + current.clientHeight)
      current.scrollTop = top - current.clientHeight / 2;
  }, [selectedRow]);

  return (
    <div
      className="frame-list"
      ref={viewport}
      tabIndex={0}
      role="region"
      aria-label="Frames"
      onScroll={event => setScrollTop(event.currentTarget.scrollTop)}
    >
      <ol style={{ height: length * ROW_HEIGHT }}>
        {frames.slice(firstRow, firstRow + RENDERED_ROWS).map((frame, index) => (
          <li
            key={frame.number}
            style={{ top: (firstRow + index) * ROW_HEIGHT }}
            aria-setsize={length}
            aria-posinset={firstRow + index + 1}
          >
            <button
              type="button"
              data-kind={frame.kind}
              aria-pressed={frame === selected}
              onClick={() => onSelect(frame)}
            >
              <time>{Math.round(frame.time).toLocaleString('en')} ms</time>
              <b>{frame.type}</b>
              <code>{frame.raw.slice(0, 200)}</code>
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}
