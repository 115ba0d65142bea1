import { useEffect, useState } from 'react';
import { loadChat } from '../chats/api';
import { ApiError } from '../server/api';
import { config } from '../server/config';
import type { DemoMessage } from '../tools';
import { Chat } from './Chat';

type Props = {
  id: string;
  /** nobody knows it yet */
  fresh: boolean;
  onAnswering: () => void;
  onEnd: () => void;
  onNew: () => void;
};

/** A chat, once its messages are here. */
export function ChatPane({ id, fresh, onNew, ...events }: Props) {
  // A new chat that gets its address stays what it is.
  const [known] = useState(!fresh && config.stored);
  const [tries, setTries] = useState(0);
  const [messages, setMessages] = useState<DemoMessage[] | undefined>(known ? undefined : []);
  const [problem, setProblem] = useState<Error>();

  // biome-ignore lint/correctness/useExhaustiveDependencies: each try asks again
  useEffect(() => {
    if (!known) return;
    let gone = false;
    setProblem(undefined);
    loadChat(id).then(
      chat => gone || setMessages(chat.messages),
      error => gone || setProblem(error),
    );
    return () => {
      gone = true;
    };
  }, [id, known, tries]);

  if (problem) {
    const missing = problem instanceof ApiError && problem.status === 404;
    return (
      <main className="chat">
        <section className="empty" role="alert">
          <h2>{missing ? 'There is no such chat' : 'This chat could not be loaded'}</h2>
          <p>{missing ? 'It was deleted, or it is not yours.' : problem.message}</p>
          <button type="button" onClick={missing ? onNew : () => setTries(tries + 1)}>
            {missing ? 'New chat' : 'Try again'}
          </button>
        </section>
      </main>
    );
  }
  if (!messages) return <main className="chat" aria-busy="true" />;
  return <Chat id={id} messages={messages} resume={!fresh} {...events} />;
}
