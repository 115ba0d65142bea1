import type { Recording } from './recorder';

export const KINDS = ['text', 'reasoning', 'tool', 'data', 'frame', 'error'] as const;
export type Kind = (typeof KINDS)[number];

/** One event of the stream, or a comment between them. */
export type Frame = {
  number: number;
  /** milliseconds since the request was sent */
  at: number;
  /** which read of the network brought its end */
  read: number;
  kind: Kind;
  /** the chunk's type; `comment` and `[DONE]` have none */
  type: string;
  raw: string;
};

type Progress = { decoder: TextDecoder; rest: string; reads: number; frames: Frame[] };

const progress = new WeakMap<Recording, Progress>();

/** The frames of a recording so far. Each read is taken apart once. */
export function framesOf(recording: Recording): readonly Frame[] {
  let known = progress.get(recording);
  if (!known) {
    known = { decoder: new TextDecoder(), rest: '', reads: 0, frames: [] };
    progress.set(recording, known);
  }
  const { decoder, frames } = known;
  for (const { at, bytes } of recording.reads.slice(known.reads)) {
    const pieces = (known.rest + decoder.decode(bytes, { stream: true })).split(/\r?\n\r?\n/);
    known.rest = pieces.pop() ?? '';
    for (const raw of pieces) {
      const type = typeOf(raw);
      const made = { number: frames.length + 1, at: at - recording.sentAt, read: known.reads };
      frames.push({ ...made, kind: kindOf(type), type, raw });
    }
    known.reads += 1;
  }
  return frames;
}

/** The stream as it came, for a file or a bug report. */
export function asSse(recording: Recording): string {
  const decoder = new TextDecoder();
  return recording.reads.map(({ bytes }) => decoder.decode(bytes, { stream: true })).join('');
}

/** The chunk of a frame; undefined for what holds none. */
export function chunkOf({ raw }: Frame): unknown {
  try {
    return JSON.parse(raw.replace(/^data: ?/gm, ''));
  } catch {
    return undefined;
  }
}

function typeOf(raw: string): string {
  if (raw.startsWith(':')) return 'comment';
  if (raw === 'data: [DONE]') return '[DONE]';
  return /"type":\s*"([^"]*)"/.exec(raw)?.[1] ?? '?';
}

function kindOf(type: string): Kind {
  if (type.startsWith('text-')) return 'text';
  if (type.startsWith('reasoning-')) return 'reasoning';
  if (type.startsWith('tool-')) return 'tool';
  if (/^(data-|source-|file$)/.test(type)) return 'data';
  if (/^(error|abort|\?)$/.test(type)) return 'error';
  return 'frame';
}
