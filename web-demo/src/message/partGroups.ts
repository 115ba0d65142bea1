import { type FileUIPart, isToolUIPart } from 'ai';
import type { MessagePart } from '../messageTypes';
import { type Source, sourcesOf } from './sources';

export type ToolPart = Extract<MessagePart, { toolCallId: string }>;
export type DataPart = Extract<MessagePart, { type: `data-${string}` }>;

/** Parts that are rendered together. */
export type PartGroup =
  | { kind: 'text'; text: string; streaming: boolean }
  | { kind: 'reasoning'; text: string; streaming: boolean }
  | { kind: 'tools'; parts: ToolPart[] }
  | { kind: 'files'; parts: FileUIPart[] }
  | { kind: 'data'; part: DataPart };

/**
 * Group a message's parts for display: parallel tool calls become one group, and so do the many text
 * parts into which citations split a text. Each citation becomes a link in that text.
 */
export function groupParts(parts: readonly MessagePart[]): {
  groups: PartGroup[];
  sources: Source[];
} {
  const sources = sourcesOf(parts);
  const groups: PartGroup[] = [];
  let isStepStart = true;
  for (const part of parts) {
    // Parts of different steps are never grouped.
    const lastGroup = isStepStart ? undefined : groups.at(-1);
    isStepStart = false;
    if (part.type === 'step-start') {
      isStepStart = true;
    } else if (part.type === 'text') {
      const text = part.text + citationLinks(part, sources);
      const streaming = part.state === 'streaming';
      if (lastGroup?.kind === 'text' && sources.length > 0) {
        groups[groups.length - 1] = { kind: 'text', text: lastGroup.text + text, streaming };
      } else {
        groups.push({ kind: 'text', text, streaming });
      }
    } else if (part.type === 'reasoning') {
      groups.push({ kind: 'reasoning', text: part.text, streaming: part.state === 'streaming' });
    } else if (isToolUIPart(part)) {
      if (lastGroup?.kind === 'tools') lastGroup.parts.push(part);
      else groups.push({ kind: 'tools', parts: [part] });
    } else if (part.type === 'file') {
      if (lastGroup?.kind === 'files') lastGroup.parts.push(part);
      else groups.push({ kind: 'files', parts: [part] });
    } else if (part.type.startsWith('data-')) {
      groups.push({ kind: 'data', part: part as DataPart });
    }
  }
  return { groups, sources };
}

/** Return a Markdown link such as `[2](#source-2)` for each source that a text part cites. */
function citationLinks(part: Extract<MessagePart, { type: 'text' }>, sources: Source[]): string {
  const numbers = new Set(
    part.citations?.map(({ source }) => {
      const key = source.sourceType === 'url' ? source.url : source.id;
      return sources.findIndex(candidate => candidate.key === key) + 1;
    }),
  );
  return [...numbers].map(number => `[${number}](#source-${number})`).join('');
}
