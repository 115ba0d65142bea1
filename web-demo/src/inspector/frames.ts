import type { Recording } from './recorder';

export const FRAME_KINDS = ['text', 'reasoning', 'tool', 'data', 'control', 'error'] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

/** One SSE frame: an event with a chunk, the final `[DONE]`, or a comment. */
export type Frame = {
  number: number;
  /** milliseconds from the start of the request to the frame's arrival */
  time: number;
  /** index of the network read that completed the frame */
  readIndex: number;
  kind: FrameKind;
  /** the chunk's type, `[DONE]`, `comment`, or `?` for anything else */
  type: string;
  raw: string;
};

type ParserState = {
  decoder: TextDecoder;
  /** the beginning of a frame whose end has not arrived */
  incomplete: string;
  parsedReads: number;
  frames: Frame[];
};

const parserStates = new WeakMap<Recording, ParserState>();

/** Return the frames of a recording so far: the same array each time, with new frames appended. */
export function framesOf(recording: Recording): readonly Frame[] {
  let state = parserStates.get(recording);
  if (!state) {
    state = { decoder: new TextDecoder(), incomplete: '', parsedReads: 0, frames: [] };
    parserStates.set(recording, state);
  }
  const { decoder, frames } = state;
  for (const { receivedAt, bytes } of recording.reads.slice(state.parsedReads)) {
    const text = state.incomplete + decoder.decode(bytes, { stream: true });
    const rawFrames = text.split(/\r?\n\r?\n/);
    state.incomplete = rawFrames.pop() ?? '';
    for (const raw of rawFrames) {
      const type = typeOf(raw);
      frames.push({
        number: frames.length + 1,
        time: receivedAt - recording.startedAt,
        readIndex: state.parsedReads,
        kind: kindOf(type),
        type,
        raw,
      });
    }
    state.parsedReads += 1;
  }
  return frames;
}

/** Parse the chunk of a frame. Returns undefined if the frame has none. */
export function parseChunk({ raw }: Frame): unknown {
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

function kindOf(type: string): FrameKind {
  if (type.startsWith('text-')) return 'text';
  if (type.startsWith('reasoning-')) return 'reasoning';
  if (type.startsWith('tool-')) return 'tool';
  if (/^(data-|source-|file$)/.test(type)) return 'data';
  if (/^(error|abort|\?)$/.test(type)) return 'error';
  return 'control';
}
