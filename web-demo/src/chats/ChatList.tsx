import { PlusIcon } from '../ui/icons';
import { byAge } from './byAge';
import { ChatItem } from './ChatItem';
import type { Chats } from './useChats';

type Props = {
  chats: Chats;
  /** the open chat */
  current: string;
  onOpen: (id: string | null) => void;
};

/** The person's chats, the newest first, and a button for another one. */
export function ChatList({ chats, current, onOpen }: Props) {
  return (
    <nav className="chat-list" aria-label="Chats">
      <button type="button" className="new-chat" onClick={() => onOpen(null)}>
        <PlusIcon />
        New chat
      </button>
      {chats.error && (
        <p className="problem" role="alert">
          {chats.error}
        </p>
      )}
      {chats.chats.length === 0 && !chats.error && (
        <p className="faded">Your chats are kept here. There are none yet.</p>
      )}
      {byAge(chats.chats).map(([age, group]) => (
        <section key={age}>
          <h2>{age}</h2>
          <ul>
            {group.map(chat => (
              <ChatItem
                key={chat.id}
                chat={chat}
                current={chat.id === current}
                onOpen={() => onOpen(chat.id)}
                onRename={title => void chats.rename(chat.id, title)}
                onDelete={() => {
                  void chats.remove(chat.id);
                  if (chat.id === current) onOpen(null);
                }}
              />
            ))}
          </ul>
        </section>
      ))}
      {chats.more && (
        <button type="button" className="quiet" onClick={() => void chats.more?.()}>
          Older chats
        </button>
      )}
    </nav>
  );
}
