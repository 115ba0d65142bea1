import { type DynamicToolUIPart, getToolName, type ToolUIPart } from 'ai';
import { ToolIcon } from '../ui/icons';
import type { DemoTools } from '../tools';

type ToolPart = ToolUIPart<DemoTools> | DynamicToolUIPart;
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
        <Value label="Output" value={part.output} />
        {part.errorText !== undefined && <Value label="Error" value={part.errorText} />}
      </dl>
    </section>
  );
}

function Value({ label, value }: { label: string; value: unknown }) {
  if (value === undefined) return null;
  return (
    <div>
      <dt>{label}</dt>
      <dd>
        <pre>{typeof value === 'string' ? value : JSON.stringify(value, null, 2)}</pre>
      </dd>
    </div>
  );
}

type Tone = 'running' | 'done' | 'failed' | 'idle';

function describe({ state }: ToolPart, active: boolean): { text: string; tone: Tone } {
  switch (state) {
    case 'input-streaming':
      return active ? { text: 'Writing input', tone: 'running' } : { text: 'Not run', tone: 'idle' };
    case 'input-available':
      return { text: 'Waiting for the answer', tone: 'running' };
    case 'output-available':
      return { text: 'Answered', tone: 'done' };
    case 'output-error':
      return { text: 'Failed', tone: 'failed' };
    case 'output-denied':
      return { text: 'Denied', tone: 'idle' };
    case 'approval-requested':
    case 'approval-responded':
      return { text: 'Needs approval', tone: 'idle' };
  }
}
