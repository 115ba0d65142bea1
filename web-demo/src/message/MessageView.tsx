import { memo } from 'react';
import type { DemoMessage } from '../tools';
import { Answer } from './Answer';
import { Question } from './Question';

type Props = {
  message: DemoMessage;
  /** more of it is still to come */
  active: boolean;
  /** its text is being changed */
  editing: boolean;
  /** something is being answered, so that nothing can be asked */
  busy: boolean;
};

/** One message. Memoised: an answer that streams does not draw the ones before it again. */
export const MessageView = memo(function MessageView({ message, active, editing, busy }: Props) {
  return (
    <article className={`message ${message.role}`}>
      <h2 className="visually-hidden">{message.role === 'user' ? 'You' : 'Assistant'}</h2>
      {message.role === 'user' ? (
        <Question message={message} editing={editing} busy={busy} />
      ) : (
        <Answer message={message} active={active} busy={busy} />
      )}
    </article>
  );
});
