import type { PointerEvent } from 'react';
import { FRAME_KINDS, type Frame } from './frames';
import { formatDuration } from './metrics';
import type { Recording } from './recorder';

type Props = {
  recording: Recording;
  frames: readonly Frame[];
  selected: Frame | undefined;
  onSelect: (frame: Frame) => void;
};

/** The size of the SVG's view box. It is stretched to the available width. */
const VIEW_WIDTH = 1000;
const LANE_VIEW_HEIGHT = 10;
/** Height of a lane in rem. The labels have the same height in the style sheet. */
const LANE_HEIGHT = 1.05;

const LANE_LABELS = {
  text: 'Text',
  reasoning: 'Reasoning',
  tool: 'Tools',
  data: 'Data',
  control: 'Control',
};

/** A timeline with one lane per kind of frame and a dot for each frame at its arrival time. */
export function Timeline({ recording, frames, selected, onSelect }: Props) {
  const elapsed = (recording.endedAt ?? performance.now()) - recording.startedAt;
  // Slightly longer than the stream, so that the last dot is not cut off.
  const span = Math.max(elapsed, 100) * 1.01;
  const toX = (time: number) => (time / span) * VIEW_WIDTH;
  const lanes = FRAME_KINDS.filter(
    kind => kind in LANE_LABELS || frames.some(frame => frame.kind === kind),
  );
  const viewHeight = lanes.length * LANE_VIEW_HEIGHT;

  function selectNearest(event: PointerEvent<SVGSVGElement>) {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const time = ((event.clientX - left) / width) * span;
    const frame = nearestFrame(frames, time);
    if (frame) onSelect(frame);
  }

  return (
    <div className="timeline">
      <ul className="lane-labels" aria-hidden="true">
        {lanes.map(kind => (
          <li key={kind}>{kind === 'error' ? 'Error' : LANE_LABELS[kind]}</li>
        ))}
      </ul>
      <div className="timeline-chart">
        <svg
          viewBox={`0 0 ${VIEW_WIDTH} ${viewHeight}`}
          preserveAspectRatio="none"
          role="img"
          style={{ height: `${lanes.length * LANE_HEIGHT}rem` }}
          aria-label={`${frames.length} frames in ${formatDuration(elapsed)}`}
          onPointerDown={selectNearest}
          onPointerMove={event => event.buttons > 0 && selectNearest(event)}
        >
          {selected && <path className="selected" d={`M${toX(selected.time)} 0V${viewHeight}`} />}
          {lanes.map((kind, lane) => (
            <path
              key={kind}
              data-kind={kind}
              d={frames
                .filter(frame => frame.kind === kind)
                .map(frame => `M${toX(frame.time).toFixed(1)} ${(lane + 0.5) * LANE_VIEW_HEIGHT}h0`)
                .join('')}
            />
          ))}
        </svg>
        <ol className="timeline-ticks" aria-hidden="true">
          {tickTimes(span).map(time => (
            <li key={time} style={{ left: `${(time / span) * 100}%` }}>
              {formatDuration(time)}
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}

/** Return about four round times. None is close to the end, where its label would not fit. */
function tickTimes(span: number): number[] {
  const minStep = span / 4;
  const power = 10 ** Math.floor(Math.log10(minStep));
  const step = ([1, 2, 5, 10].find(factor => factor * power >= minStep) ?? 10) * power;
  return Array.from({ length: Math.floor((0.94 * span) / step) + 1 }, (_, index) => index * step);
}

function nearestFrame(frames: readonly Frame[], time: number): Frame | undefined {
  let nearest: Frame | undefined;
  for (const frame of frames) {
    if (!nearest || Math.abs(frame.time - time) < Math.abs(nearest.time - time)) nearest = frame;
  }
  return nearest;
}
