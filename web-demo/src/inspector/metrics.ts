import type { MessageMetadata } from '../messageTypes';
import { type Frame, parseChunk } from './frames';
import type { Recording } from './recorder';

/** The metrics of a stream. Times are in milliseconds; undefined if the event did not happen. */
export type StreamMetrics = {
  firstByte: number | undefined;
  firstToken: number | undefined;
  longestGap: number | undefined;
  total: number | undefined;
  /** bytes of the response body */
  bytes: number;
  frames: number;
  framesPerSecond: number | undefined;
  /** the largest fraction of the frames that arrived in a single read, from 0 to 1 */
  largestReadFraction: number;
  /** undefined unless the server reported its timings */
  latency: LatencyBreakdown | undefined;
};

/** Milliseconds until the first token was on the screen, by where they were spent. */
export type LatencyBreakdown = {
  server: number;
  provider: number;
  network: number;
  /** undefined until it was painted */
  browser: number | undefined;
};

export function streamMetrics(recording: Recording, allFrames: readonly Frame[]): StreamMetrics {
  const { reads, startedAt, endedAt } = recording;
  const frames = allFrames.filter(({ type }) => type !== 'comment');
  const firstToken = frames.find(({ type }) => type.endsWith('-delta'))?.time;
  const gaps = frames.slice(1).map((frame, index) => frame.time - (frames[index]?.time ?? 0));
  const [first, last] = [frames[0], frames.at(-1)];
  const seconds = first && last ? (last.time - first.time) / 1000 : 0;
  return {
    firstByte: reads[0] && reads[0].receivedAt - startedAt,
    firstToken,
    longestGap: gaps.length > 0 ? maximum(gaps) : undefined,
    total: endedAt && endedAt - startedAt,
    bytes: reads.reduce((sum, { bytes }) => sum + bytes.length, 0),
    frames: frames.length,
    framesPerSecond: seconds > 0 ? frames.length / seconds : undefined,
    largestReadFraction: largestReadFraction(frames),
    latency: latencyBreakdown(recording, allFrames, firstToken),
  };
}

function largestReadFraction(frames: readonly Frame[]): number {
  const framesPerRead: number[] = [];
  for (const { readIndex } of frames) {
    framesPerRead[readIndex] = (framesPerRead[readIndex] ?? 0) + 1;
  }
  return maximum(framesPerRead) / Math.max(frames.length, 1);
}

/** Return the largest of positive numbers. (`Math.max(...numbers)` fails for very many of them.) */
function maximum(numbers: number[]): number {
  return numbers.reduce((largest, number) => Math.max(largest, number), 0);
}

function latencyBreakdown(
  { startedAt, paintedAt, serverTime = 0 }: Recording,
  frames: readonly Frame[],
  firstToken: number | undefined,
): LatencyBreakdown | undefined {
  const frame = frames.findLast(({ raw }) => raw.includes('"messageMetadata"'));
  const chunk = frame && (parseChunk(frame) as { messageMetadata?: MessageMetadata } | undefined);
  const { called, first_token: serverFirstToken } = chunk?.messageMetadata?.seconds ?? {};
  if (called === undefined || serverFirstToken === undefined || firstToken === undefined) {
    return undefined;
  }
  return {
    server: serverTime + called * 1000,
    provider: (serverFirstToken - called) * 1000,
    network: Math.max(0, firstToken - serverTime - serverFirstToken * 1000),
    browser: paintedAt && Math.max(0, paintedAt - startedAt - firstToken),
  };
}

/** Whether most frames of a slow response arrived at once, as happens behind a buffering proxy. */
export function isBuffered({ method }: Recording, metrics: StreamMetrics): boolean {
  const { largestReadFraction, frames, firstByte = 0 } = metrics;
  // A GET request resumes a stream, whose beginning is replayed at once.
  return method === 'POST' && frames >= 30 && largestReadFraction > 0.6 && firstByte > 1000;
}

/** Format milliseconds, such as "640 ms" or "2.4 s". */
export function formatDuration(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return '–';
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`;
}
