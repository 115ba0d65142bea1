import type { PointerEvent } from 'react';
import { type Frame, KINDS } from './frames';
import { readableTime } from './numbers';
import type { Recording } from './recorder';

type Props = {
  recording: Recording;
  frames: readonly Frame[];
  selected: Frame | undefined;
  onSelect: (frame: Frame) => void;
};

/** The picture's own units; it is stretched to the room there is. */
const WIDTH = 1000;
const LANE = 10;
/** A lane on the screen; its label is as high in the style sheet. */
const LANE_HEIGHT = 1.05;

const LABELS = { text: 'Text', reasoning: 'Thoughts', tool: 'Tools', data: 'Data', frame: 'Frame' };

/** A dot for each frame, at the time when it arrived; what happened at once stands in one place. */
export function TimeLine({ recording, frames, selected, onSelect }: Props) {
  const now = (recording.endedAt ?? performance.now()) - recording.sentAt;
  // A little room, so that the last dot is a whole one.
  const span = Math.max(now, 100) * 1.01;
  const x = (at: number) => (at / span) * WIDTH;
  const lanes = KINDS.filter(kind => kind in LABELS || frames.some(frame => frame.kind === kind));
  const height = lanes.length * LANE;

  function onPoint(event: PointerEvent<SVGSVGElement>) {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const at = ((event.clientX - left) / width) * span;
    const near = nearest(frames, at);
    if (near) onSelect(near);
  }

  return (
    <div className="time-line">
      <ul className="lanes" aria-hidden="true">
        {lanes.map(kind => (
          <li key={kind}>{kind === 'error' ? 'Error' : LABELS[kind]}</li>
        ))}
      </ul>
      <div className="time-picture">
        <svg
          viewBox={`0 0 ${WIDTH} ${height}`}
          preserveAspectRatio="none"
          role="img"
          style={{ height: `${lanes.length * LANE_HEIGHT}rem` }}
          aria-label={`${frames.length} frames in ${readableTime(now)}`}
          onPointerDown={onPoint}
          onPointerMove={event => event.buttons > 0 && onPoint(event)}
        >
          {selected && <path className="selected" d={`M${x(selected.at)} 0V${height}`} />}
          {lanes.map((kind, lane) => (
            <path
              key={kind}
              data-kind={kind}
              d={frames
                .filter(frame => frame.kind === kind)
                .map(frame => `M${x(frame.at).toFixed(1)} ${(lane + 0.5) * LANE}h0`)
                .join('')}
            />
          ))}
        </svg>
        <ol className="ticks" aria-hidden="true">
          {ticks(span).map(at => (
            <li key={at} style={{ left: `${(at / span) * 100}%` }}>
              {readableTime(at)}
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}

/** Round times, four or so; none so near the end that there is no room for its label. */
function ticks(span: number): number[] {
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find(factor => factor * power >= rough) ?? 10) * power;
  return Array.from({ length: Math.floor((0.94 * span) / step) + 1 }, (_, index) => index * step);
}

function nearest(frames: readonly Frame[], at: number): Frame | undefined {
  let best: Frame | undefined;
  for (const frame of frames) {
    if (!best || Math.abs(frame.at - at) < Math.abs(best.at - at)) best = frame;
  }
  return best;
}
