import { type FileUIPart, isToolUIPart } from 'ai';
import type { Part } from '../tools';
import { type Source, sourcesOf } from './sources';

export type ToolPart = Extract<Part, { toolCallId: string }>;
export type DataPart = Extract<Part, { type: `data-${string}` }>;

/** What is drawn as one thing. */
export type Group =
  | { kind: 'text'; text: string; streaming: boolean }
  | { kind: 'reasoning'; text: string; streaming: boolean }
  | { kind: 'tools'; parts: ToolPart[] }
  | { kind: 'files'; parts: FileUIPart[] }
  | { kind: 'data'; part: DataPart };

/**
 * A message's parts, put together as a person reads them: calls made at once stand side by side,
 * and a text that its citations cut into many parts is one text again, with a mark for each.
 */
export function groupParts(parts: readonly Part[]): { groups: Group[]; sources: Source[] } {
  const sources = sourcesOf(parts);
  const groups: Group[] = [];
  let fresh = true;
  for (const part of parts) {
    const last = fresh ? undefined : groups.at(-1);
    fresh = false;
    if (part.type === 'step-start') {
      fresh = true;
    } else if (part.type === 'text') {
      const text = part.text + marks(part, sources);
      const streaming = part.state === 'streaming';
      if (last?.kind === 'text' && sources.length > 0) {
        groups[groups.length - 1] = { kind: 'text', text: last.text + text, streaming };
      } else {
        groups.push({ kind: 'text', text, streaming });
      }
    } else if (part.type === 'reasoning') {
      groups.push({ kind: 'reasoning', text: part.text, streaming: part.state === 'streaming' });
    } else if (isToolUIPart(part)) {
      if (last?.kind === 'tools') last.parts.push(part);
      else groups.push({ kind: 'tools', parts: [part] });
    } else if (part.type === 'file') {
      if (last?.kind === 'files') last.parts.push(part);
      else groups.push({ kind: 'files', parts: [part] });
    } else if (part.type.startsWith('data-')) {
      groups.push({ kind: 'data', part: part as DataPart });
    }
  }
  return { groups, sources };
}

/** `#source-2` is what Markdown carries through to the link that is drawn as a mark. */
function marks(part: Extract<Part, { type: 'text' }>, sources: Source[]): string {
  const numbers = new Set(
    part.citations?.map(({ source }) => {
      const key = source.sourceType === 'url' ? source.url : source.id;
      return sources.findIndex(known => known.key === key) + 1;
    }),
  );
  return [...numbers].map(number => `[${number}](#source-${number})`).join('');
}
