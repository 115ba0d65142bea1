import type { FileUIPart } from 'ai';
import { useMemo, useState } from 'react';
import { useAttachments } from '../attachments/useAttachments';
import { useFileDrop } from '../attachments/useFileDrop';
import { type ChatActions, ChatActionsContext } from '../message/chatActions';
import { MessageView } from '../message/MessageView';
import { TypingIndicator } from '../message/TypingIndicator';
import type { DemoMessage } from '../messageTypes';
import { useShortcut } from '../shortcuts/useShortcut';
import { Composer } from './Composer';
import { EmptyChat } from './EmptyChat';
import { ErrorNotice } from './ErrorNotice';
import { MessageList } from './MessageList';
import { useDemoChat } from './useDemoChat';
import { useRetry } from './useRetry';
import { useTabSync } from './useTabSync';

type Props = {
  id: string;
  initialMessages: DemoMessage[];
  resume: boolean;
  onRunStarted: () => void;
  onRunEnded: () => void;
};

/** A chat: its messages and the composer. */
export function Chat(props: Props) {
  const chat = useDemoChat(props);
  const { messages, busy, error, sendMessage, regenerate, addToolApprovalResponse } = chat;
  const showStoredChat = useTabSync(chat);
  const retry = useRetry(chat, showStoredChat);
  const attachments = useAttachments();
  const { dropProps, isDraggingOver } = useFileDrop(files => void attachments.add(files));
  const [editingId, setEditingId] = useState<string | null>(null);
  const lastMessage = messages.at(-1);

  useShortcut('Escape', chat.stop, busy);

  const actions: ChatActions = useMemo(
    () => ({
      setEditingId,
      resend(messageId, text, files) {
        setEditingId(null);
        void sendMessage({ parts: [...files, { type: 'text', text }], messageId });
      },
      regenerate: messageId => void regenerate({ messageId }),
      respondToApproval: (id, approved, reason) =>
        void addToolApprovalResponse({ id, approved, ...(reason && { reason }) }),
    }),
    [sendMessage, regenerate, addToolApprovalResponse],
  );
  const send = (text: string, files: FileUIPart[]) =>
    void sendMessage(text.trim() ? { text, files } : { files });

  return (
    <main className="chat" {...dropProps}>
      {messages.length === 0 && !busy && !error ? (
        <EmptyChat onSend={send} />
      ) : (
        <MessageList busy={busy} status={statusOf(lastMessage, busy)}>
          <ChatActionsContext value={actions}>
            {messages.map(message => (
              <MessageView
                key={message.id}
                message={message}
                streaming={busy && message === lastMessage && message.role === 'assistant'}
                editing={message.id === editingId}
                busy={busy}
              />
            ))}
          </ChatActionsContext>
          {busy && lastMessage?.role !== 'assistant' && <TypingIndicator />}
          {error && <ErrorNotice error={error} onRetry={retry} />}
        </MessageList>
      )}
      <Composer
        busy={busy}
        attachments={attachments}
        onSend={send}
        onStop={chat.stop}
        onEditLast={() =>
          setEditingId(messages.findLast(({ role }) => role === 'user')?.id ?? null)
        }
      />
      {isDraggingOver && <p className="drop-overlay">Drop files to attach them</p>}
    </main>
  );
}

/** Return the status for screen readers, which read the response itself once it is complete. */
function statusOf(lastMessage: DemoMessage | undefined, busy: boolean): string {
  if (busy) return 'Generating a response';
  const needsApproval = lastMessage?.parts.some(
    part => 'state' in part && part.state === 'approval-requested',
  );
  return needsApproval ? 'A tool needs your approval' : '';
}
