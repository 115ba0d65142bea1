import { formatBytes } from '../attachments/attachment';
import { LatencyBar } from './LatencyBar';
import { formatDuration, isBuffered, type StreamMetrics } from './metrics';
import type { Recording } from './recorder';

type Props = { recording: Recording; metrics: StreamMetrics };

/** The metrics of a stream, and a warning if a proxy seems to buffer it. */
export function MetricsView({ recording, metrics }: Props) {
  const { framesPerSecond } = metrics;
  const rows: [name: string, value: string][] = [
    ['First byte', formatDuration(metrics.firstByte)],
    ['First token', formatDuration(metrics.firstToken)],
    ['Longest gap', formatDuration(metrics.longestGap)],
    [
      'Frames per second',
      framesPerSecond === undefined ? '–' : framesPerSecond.toFixed(framesPerSecond < 10 ? 1 : 0),
    ],
    ['Total', formatDuration(metrics.total)],
    ['Received', formatBytes(metrics.bytes)],
    ['Sent', formatBytes(recording.requestBytes)],
  ];
  return (
    <>
      <dl className="metrics">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {metrics.latency && <LatencyBar {...metrics.latency} />}
      {isBuffered(recording, metrics) && (
        <p className="error-text" role="alert">
          Most of this response arrived at once: something between the server and this browser
          buffers it. Often that is a proxy that buffers or compresses.
        </p>
      )}
    </>
  );
}
