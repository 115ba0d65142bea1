import { isToolUIPart } from 'ai';
import { memo } from 'react';
import { Markdown } from '../markdown/Markdown';
import { Reasoning } from '../parts/Reasoning';
import { ToolCard } from '../parts/ToolCard';
import type { DemoMessage } from '../tools';
import { Waiting } from './Waiting';

type Props = {
  message: DemoMessage;
  /** more of it is still to come */
  active: boolean;
};

/** One message. Memoised: an answer that streams does not draw the ones before it again. */
export const MessageView = memo(function MessageView({ message, active }: Props) {
  const unfinished = message.parts.some(isStreaming);
  return (
    <article className={`message ${message.role}`}>
      <h2 className="visually-hidden">{message.role === 'user' ? 'You' : 'Assistant'}</h2>
      {message.parts.map((part, index) => (
        <PartView key={index} part={part} role={message.role} active={active} />
      ))}
      {active && !unfinished && <Waiting />}
      {!active && unfinished && <p className="stopped">Stopped</p>}
    </article>
  );
});

type Part = DemoMessage['parts'][number];

function PartView({ part, role, active }: { part: Part; role: string; active: boolean }) {
  if (isToolUIPart(part)) return <ToolCard part={part} active={active} />;
  switch (part.type) {
    case 'text':
      if (role === 'user') return <p className="said">{part.text}</p>;
      return <Markdown text={part.text} streaming={active && isStreaming(part)} />;
    case 'reasoning':
      return <Reasoning text={part.text} streaming={active && isStreaming(part)} />;
    default:
      return null;
  }
}

function isStreaming(part: Part): boolean {
  return 'state' in part && (part.state === 'streaming' || part.state === 'input-streaming');
}
