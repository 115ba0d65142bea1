import { PlusIcon } from '../ui/icons';
import { ChatListItem } from './ChatListItem';
import { groupByDate } from './groupByDate';
import type { ChatListState } from './useChatList';

type Props = {
  chatList: ChatListState;
  currentId: string;
  /** called with null for a new chat */
  onOpen: (id: string | null) => void;
};

/** The user's chats, newest first, and a button to start a new one. */
export function ChatList({ chatList, currentId, onOpen }: Props) {
  const { chats, error, loadMore } = chatList;
  return (
    <nav className="chat-list" aria-label="Chats">
      <button type="button" className="new-chat" onClick={() => onOpen(null)}>
        <PlusIcon />
        New chat
      </button>
      {error && (
        <p className="error-text" role="alert">
          {error}
        </p>
      )}
      {chats.length === 0 && !error && <p className="muted">Your chats will appear here.</p>}
      {groupByDate(chats).map(([date, group]) => (
        <section key={date}>
          <h2>{date}</h2>
          <ul>
            {group.map(chat => (
              <ChatListItem
                key={chat.id}
                chat={chat}
                isCurrent={chat.id === currentId}
                onOpen={() => onOpen(chat.id)}
                onRename={title => void chatList.rename(chat.id, title)}
                onDelete={() => {
                  void chatList.remove(chat.id);
                  if (chat.id === currentId) onOpen(null);
                }}
              />
            ))}
          </ul>
        </section>
      ))}
      {loadMore && (
        <button type="button" className="ghost" onClick={() => void loadMore()}>
          Load more
        </button>
      )}
    </nav>
  );
}
