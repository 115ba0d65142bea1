import { memo } from 'react';
import type { DemoMessage } from '../messageTypes';
import { AssistantMessage } from './AssistantMessage';
import { UserMessage } from './UserMessage';

type Props = {
  message: DemoMessage;
  /** whether more of this message is still to come */
  streaming: boolean;
  /** whether the user is editing this message */
  editing: boolean;
  /** whether the chat waits for a response, so that nothing can be sent */
  busy: boolean;
};

/** One message. Memoized, so that a streaming message does not re-render those before it. */
export const MessageView = memo(function MessageView({ message, streaming, editing, busy }: Props) {
  return (
    <article className={`message ${message.role}`}>
      <h2 className="visually-hidden">{message.role === 'user' ? 'You' : 'Assistant'}</h2>
      {message.role === 'user' ? (
        <UserMessage message={message} editing={editing} busy={busy} />
      ) : (
        <AssistantMessage message={message} streaming={streaming} busy={busy} />
      )}
    </article>
  );
});
