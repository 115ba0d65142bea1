import { getToolName } from 'ai';
import type { ToolPart } from '../message/partGroups';
import { ToolIcon } from '../ui/icons';
import { ToolApproval } from './ToolApproval';
import { isPreliminary, toolStatus } from './toolStatus';
import { ValueRow } from './ValueRow';

type Props = { part: ToolPart; streaming: boolean };

/** A tool call: its status, its input (also while it streams), and its output or error. */
export function ToolCard({ part, streaming }: Props) {
  const name = getToolName(part);
  const { label, tone } = toolStatus(part, streaming);
  return (
    <section className="tool-card" data-tone={tone} aria-label={`Tool ${name}`}>
      <header>
        <ToolIcon />
        <span className="tool-title">{part.title ?? name}</span>
        {part.title && <code>{name}</code>}
        <span className="tool-status">{label}</span>
      </header>
      <dl>
        <ValueRow label="Input" value={part.input} />
        <ValueRow label={isPreliminary(part) ? 'So far' : 'Output'} value={part.output} />
        <ValueRow label="Error" value={part.errorText} />
        <ValueRow label="Reason" value={part.approval?.reason} />
      </dl>
      {part.state === 'approval-requested' && <ToolApproval approval={part.approval} />}
    </section>
  );
}
