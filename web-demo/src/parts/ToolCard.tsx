import { getToolName } from 'ai';
import type { ToolPart } from '../message/groups';
import { ToolIcon } from '../ui/icons';
import { Approval } from './Approval';
import { describe, isPreliminary } from './toolState';
import { Value } from './Value';

type Props = { part: ToolPart; active: boolean };

/** A tool call: what it was asked, while that is still written too, and what came of it. */
export function ToolCard({ part, active }: Props) {
  const name = getToolName(part);
  const { text, tone } = describe(part, active);
  return (
    <section className="tool" data-tone={tone} aria-label={`Tool ${name}`}>
      <header>
        <ToolIcon />
        <span className="tool-title">{part.title ?? name}</span>
        {part.title && <code>{name}</code>}
        <span className="tool-state">{text}</span>
      </header>
      <dl>
        <Value label="Input" value={part.input} />
        <Value label={isPreliminary(part) ? 'So far' : 'Output'} value={part.output} />
        <Value label="Error" value={part.errorText} />
        <Value label="Reason" value={part.approval?.reason} />
      </dl>
      {part.state === 'approval-requested' && <Approval approval={part.approval} />}
    </section>
  );
}
