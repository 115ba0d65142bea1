import type { Metadata } from '../tools';
import { chunkOf, type Frame } from './frames';
import type { Recording } from './recorder';

/** What there is to say of a recording. Times in milliseconds; undefined: it did not happen. */
export type Numbers = {
  firstByte: number | undefined;
  firstToken: number | undefined;
  longestGap: number | undefined;
  total: number | undefined;
  bytes: number;
  frames: number;
  perSecond: number | undefined;
  /** the largest share of the frames that one read brought, from 0 to 1 */
  largestLump: number;
  /** where the time until the first token went, if the server said when it was where */
  split: Split | undefined;
};

/** Milliseconds until the first token: in the server, at the provider, and on the way. */
export type Split = { server: number; provider: number; way: number };

export function numbersOf(recording: Recording, frames: readonly Frame[]): Numbers {
  const { reads, sentAt, endedAt } = recording;
  const chunks = frames.filter(({ type }) => type !== 'comment');
  const firstToken = chunks.find(({ type }) => type.endsWith('-delta'))?.at;
  const gaps = chunks.slice(1).map((frame, index) => frame.at - (chunks[index]?.at ?? 0));
  const [first, last] = [chunks[0], chunks.at(-1)];
  const seconds = first && last ? (last.at - first.at) / 1000 : 0;
  return {
    firstByte: reads[0] && reads[0].at - sentAt,
    firstToken,
    longestGap: gaps.length > 0 ? gaps.reduce((one, other) => Math.max(one, other)) : undefined,
    total: endedAt && endedAt - sentAt,
    bytes: reads.reduce((sum, { bytes }) => sum + bytes.length, 0),
    frames: chunks.length,
    perSecond: seconds > 0 ? chunks.length / seconds : undefined,
    largestLump: largestLump(chunks),
    split: splitOf(frames, firstToken),
  };
}

function largestLump(chunks: readonly Frame[]): number {
  const sizes: number[] = [];
  for (const { read } of chunks) sizes[read] = (sizes[read] ?? 0) + 1;
  return sizes.reduce((one, other) => Math.max(one, other), 0) / Math.max(chunks.length, 1);
}

function splitOf(frames: readonly Frame[], firstToken: number | undefined): Split | undefined {
  const end = frames.findLast(({ raw }) => raw.includes('"messageMetadata"'));
  const chunk = end && (chunkOf(end) as { messageMetadata?: Metadata } | undefined);
  const { called, first_token: told } = chunk?.messageMetadata?.seconds ?? {};
  if (called === undefined || told === undefined || firstToken === undefined) return undefined;
  const [server, provider] = [called * 1000, (told - called) * 1000];
  return { server, provider, way: Math.max(0, firstToken - told * 1000) };
}

/** Whether most of an answer came at once although it took its time: a proxy that buffers. */
export function isHeldBack({ method }: Recording, { largestLump, frames, firstByte = 0 }: Numbers) {
  // A resumed answer is replayed in one go, rightly.
  return method === 'POST' && frames >= 30 && largestLump > 0.6 && firstByte > 1000;
}

/** "640 ms", "2.4 s" */
export function readableTime(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return '–';
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`;
}
