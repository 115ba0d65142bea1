import { useEffect, useState } from 'react';
import { loadChat } from '../api/chats';
import { ApiError } from '../api/request';
import { config } from '../config';
import type { DemoMessage } from '../messageTypes';
import { Chat } from './Chat';

type Props = {
  id: string;
  /** whether the server has no such chat yet */
  isNew: boolean;
  onRunStarted: () => void;
  onRunEnded: () => void;
  onNewChat: () => void;
};

/** Loads the messages of a stored chat, then renders the chat. */
export function ChatLoader({ id, isNew, onNewChat, ...runEvents }: Props) {
  // Decided once: a new chat stays loaded when its id is added to the URL.
  const [isStored] = useState(!isNew && config.stored);
  const [attempt, setAttempt] = useState(1);
  const [messages, setMessages] = useState<DemoMessage[] | undefined>(isStored ? undefined : []);
  const [error, setError] = useState<Error>();

  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt loads the chat again
  useEffect(() => {
    if (!isStored) return;
    let isUnmounted = false;
    setError(undefined);
    loadChat(id).then(
      chat => isUnmounted || setMessages(chat.messages),
      failure => isUnmounted || setError(failure),
    );
    return () => {
      isUnmounted = true;
    };
  }, [id, isStored, attempt]);

  if (error) {
    const isNotFound = error instanceof ApiError && error.status === 404;
    return (
      <main className="chat">
        <section className="empty-chat" role="alert">
          <h2>{isNotFound ? 'Chat not found' : 'The chat could not be loaded'}</h2>
          <p>{isNotFound ? 'It was deleted, or it belongs to another user.' : error.message}</p>
          <button type="button" onClick={isNotFound ? onNewChat : () => setAttempt(attempt + 1)}>
            {isNotFound ? 'New chat' : 'Retry'}
          </button>
        </section>
      </main>
    );
  }
  if (!messages) return <main className="chat" aria-busy="true" />;
  return <Chat id={id} initialMessages={messages} resume={!isNew} {...runEvents} />;
}
