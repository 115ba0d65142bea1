import { useCallback, useEffect, useState } from 'react';
import { config } from '../server/config';
import { type ChatInfo, deleteChat, listChats, renameChat } from './api';
import { listen, tell } from './tabs';

/** Chats of one page of the list. */
const PAGE = 50;
/** Milliseconds between looks at the list while an answer is under way in it. */
const WATCH = 3000;

export type Chats = ReturnType<typeof useChats>;

/** The person's chats, as fresh as other tabs and answers under way make them. */
export function useChats() {
  const [chats, setChats] = useState<ChatInfo[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState('');

  /** Runs a request; the list tells its failure. */
  const attempt = useCallback(async (work: () => Promise<void>) => {
    try {
      await work();
      setError('');
    } catch (failure) {
      setError(failure instanceof TypeError ? 'The server is not there.' : String(failure));
    }
  }, []);

  const refresh = useCallback(
    () =>
      attempt(async () => {
        if (!config.stored) return;
        const page = await listChats(null, PAGE);
        const newest = new Set(page.chats.map(chat => chat.id));
        const oldest = page.chats.at(-1)?.updatedAt ?? '';
        // What was loaded beyond the first page stays.
        setChats(before => [
          ...page.chats,
          ...(page.nextCursor
            ? before.filter(chat => !newest.has(chat.id) && chat.updatedAt < oldest)
            : []),
        ]);
        setCursor(before => (before && page.nextCursor ? before : page.nextCursor));
      }),
    [attempt],
  );

  const more = () =>
    attempt(async () => {
      const page = await listChats(cursor, PAGE);
      setChats(before => [...before, ...page.chats]);
      setCursor(page.nextCursor);
    });

  const rename = (id: string, title: string) =>
    attempt(async () => {
      const renamed = await renameChat(id, title);
      setChats(before =>
        before.map(chat => (chat.id === id ? { ...chat, title: renamed.title } : chat)),
      );
      tell({ chat: id, what: 'changed' });
    });

  const remove = (id: string) =>
    attempt(async () => {
      await deleteChat(id);
      setChats(before => before.filter(chat => chat.id !== id));
      tell({ chat: id, what: 'changed' });
    });

  useEffect(() => {
    const onVisible = () => {
      if (document.visibilityState === 'visible') void refresh();
    };
    void refresh();
    document.addEventListener('visibilitychange', onVisible);
    const unlisten = listen(() => void refresh());
    return () => {
      document.removeEventListener('visibilitychange', onVisible);
      unlisten();
    };
  }, [refresh]);

  const running = chats.some(chat => chat.activeRunId);
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => void refresh(), WATCH);
    return () => clearInterval(timer);
  }, [running, refresh]);

  return { chats, error, refresh, rename, remove, more: cursor === null ? undefined : more };
}
