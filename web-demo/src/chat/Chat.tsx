import { Composer } from './Composer';
import { EmptyState } from './EmptyState';
import { ErrorNotice } from './ErrorNotice';
import { MessageView } from './MessageView';
import { Thread } from './Thread';
import { useDemoChat } from './useDemoChat';
import { Waiting } from './Waiting';

export function Chat({ id }: { id: string }) {
  const { messages, status, error, sendMessage, regenerate, stop } = useDemoChat(id);
  const busy = status === 'submitted' || status === 'streaming';
  const last = messages.at(-1);
  const ask = (text: string) => void sendMessage({ text });

  return (
    <main className="chat">
      {messages.length === 0 ? (
        <EmptyState onPick={ask} />
      ) : (
        <Thread busy={busy}>
          {messages.map(message => (
            <MessageView
              key={message.id}
              message={message}
              active={busy && message === last && message.role === 'assistant'}
            />
          ))}
          {busy && last?.role !== 'assistant' && <Waiting />}
          {error && <ErrorNotice error={error} onRetry={() => void regenerate()} />}
        </Thread>
      )}
      <Composer busy={busy} onSend={ask} onStop={() => void stop()} />
    </main>
  );
}
