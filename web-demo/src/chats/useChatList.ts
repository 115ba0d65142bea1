import { useCallback, useEffect, useState } from 'react';
import { type ChatSummary, deleteChat, listChats, renameChat } from '../api/chats';
import { config } from '../config';
import { broadcast, subscribe } from './tabChannel';

/** Number of chats to load at a time. */
const PAGE_SIZE = 50;
/** Milliseconds between refreshes while a listed chat has an active run. */
const REFRESH_INTERVAL = 3000;

export type ChatListState = ReturnType<typeof useChatList>;

/** The user's chats, kept up to date with other tabs and with active runs. */
export function useChatList() {
  const [chats, setChats] = useState<ChatSummary[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState('');

  /** Run a request and show its error in the list. */
  const attempt = useCallback(async (request: () => Promise<void>) => {
    try {
      await request();
      setError('');
    } catch (failure) {
      setError(failure instanceof TypeError ? 'The server is unavailable.' : String(failure));
    }
  }, []);

  const refresh = useCallback(
    () =>
      attempt(async () => {
        if (!config.stored) return;
        const firstPage = await listChats(null, PAGE_SIZE);
        const firstPageIds = new Set(firstPage.chats.map(chat => chat.id));
        const oldestUpdate = firstPage.chats.at(-1)?.updatedAt ?? '';
        // Keep the older chats that "Load more" has loaded.
        setChats(current => [
          ...firstPage.chats,
          ...(firstPage.nextCursor
            ? current.filter(chat => !firstPageIds.has(chat.id) && chat.updatedAt < oldestUpdate)
            : []),
        ]);
        setCursor(current => (current && firstPage.nextCursor ? current : firstPage.nextCursor));
      }),
    [attempt],
  );

  const loadMore = () =>
    attempt(async () => {
      const nextPage = await listChats(cursor, PAGE_SIZE);
      setChats(current => [...current, ...nextPage.chats]);
      setCursor(nextPage.nextCursor);
    });

  const rename = (id: string, newTitle: string) =>
    attempt(async () => {
      const { title } = await renameChat(id, newTitle);
      setChats(current => current.map(chat => (chat.id === id ? { ...chat, title } : chat)));
      broadcast({ chatId: id, type: 'chat-changed' });
    });

  const remove = (id: string) =>
    attempt(async () => {
      await deleteChat(id);
      setChats(current => current.filter(chat => chat.id !== id));
      broadcast({ chatId: id, type: 'chat-changed' });
    });

  useEffect(() => {
    const onVisibilityChange = () => {
      if (document.visibilityState === 'visible') void refresh();
    };
    void refresh();
    document.addEventListener('visibilitychange', onVisibilityChange);
    const unsubscribe = subscribe(() => void refresh());
    return () => {
      document.removeEventListener('visibilitychange', onVisibilityChange);
      unsubscribe();
    };
  }, [refresh]);

  const hasActiveRun = chats.some(chat => chat.activeRunId);
  useEffect(() => {
    if (!hasActiveRun) return;
    const timer = setInterval(() => void refresh(), REFRESH_INTERVAL);
    return () => clearInterval(timer);
  }, [hasActiveRun, refresh]);

  return {
    chats,
    error,
    refresh,
    rename,
    remove,
    /** undefined if all chats are loaded */
    loadMore: cursor === null ? undefined : loadMore,
  };
}
