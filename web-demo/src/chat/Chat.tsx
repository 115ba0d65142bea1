import type { FileUIPart } from 'ai';
import { useMemo, useState } from 'react';
import { useAttachments } from '../attachments/useAttachments';
import { useDrop } from '../attachments/useDrop';
import { useKey } from '../keys/useKey';
import { type Actions, ActionsContext } from '../message/actions';
import { MessageView } from '../message/MessageView';
import { Waiting } from '../message/Waiting';
import type { DemoMessage } from '../tools';
import { Composer } from './Composer';
import { ErrorNotice } from './ErrorNotice';
import { Suggestions } from './Suggestions';
import { Thread } from './Thread';
import { useDemoChat } from './useDemoChat';
import { useFollow } from './useFollow';
import { useRetry } from './useRetry';

type Props = {
  id: string;
  messages: DemoMessage[];
  resume: boolean;
  onAnswering: () => void;
  onEnd: () => void;
};

/** One chat: what was said, and where one says more. */
export function Chat(props: Props) {
  const chat = useDemoChat(props);
  const { messages, busy, error, sendMessage, regenerate, addToolApprovalResponse } = chat;
  const retry = useRetry(chat, useFollow(chat));
  const attachments = useAttachments();
  const { props: drop, over } = useDrop(files => void attachments.add(files));
  const [editing, edit] = useState<string | null>(null);
  const last = messages.at(-1);

  useKey('Escape', chat.stop, busy);

  const actions: Actions = useMemo(
    () => ({
      edit,
      save(messageId, text, files) {
        edit(null);
        void sendMessage({ parts: [...files, { type: 'text', text }], messageId });
      },
      regenerate: messageId => void regenerate({ messageId }),
      decide: (id, approved, reason) =>
        void addToolApprovalResponse({ id, approved, ...(reason && { reason }) }),
    }),
    [sendMessage, regenerate, addToolApprovalResponse],
  );
  const ask = (text: string, files: FileUIPart[]) =>
    void sendMessage(text.trim() ? { text, files } : { files });

  return (
    <main className="chat" {...drop}>
      {messages.length === 0 && !busy && !error ? (
        <Suggestions onPick={ask} />
      ) : (
        <Thread busy={busy} news={newsOf(last, busy)}>
          <ActionsContext value={actions}>
            {messages.map(message => (
              <MessageView
                key={message.id}
                message={message}
                active={busy && message === last && message.role === 'assistant'}
                editing={message.id === editing}
                busy={busy}
              />
            ))}
          </ActionsContext>
          {busy && last?.role !== 'assistant' && <Waiting />}
          {error && <ErrorNotice error={error} onRetry={retry} />}
        </Thread>
      )}
      <Composer
        busy={busy}
        attachments={attachments}
        onSend={ask}
        onStop={chat.stop}
        onEditLast={() => edit(messages.findLast(({ role }) => role === 'user')?.id ?? null)}
      />
      {over && <p className="drop-here">Drop files to attach them</p>}
    </main>
  );
}

/** What a screen reader says of the state; the answer itself it reads when it is whole. */
function newsOf(last: DemoMessage | undefined, busy: boolean): string {
  if (busy) return 'Answering';
  const asks = last?.parts.some(part => 'state' in part && part.state === 'approval-requested');
  return asks ? 'A tool needs your approval' : '';
}
