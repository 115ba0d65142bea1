import { useCallback, useEffect, useRef } from 'react';
import { loadChat, type StoredChat } from '../api/chats';
import { subscribe } from '../chats/tabChannel';
import { config } from '../config';
import type { DemoChat } from './useDemoChat';

/**
 * Follow runs of this chat that another tab starts. Returns a function that shows a stored chat and
 * resumes its stream.
 */
export function useTabSync(chat: DemoChat) {
  const { id, busy, setMessages, resumeStream } = chat;
  /** whether another tab started a run while this one was busy */
  const isOutdated = useRef(false);

  const showStoredChat = useCallback(
    async (stored: StoredChat) => {
      setMessages(stored.messages);
      await resumeStream();
    },
    [setMessages, resumeStream],
  );

  const reload = useCallback(async () => {
    isOutdated.current = false;
    await showStoredChat(await loadChat(id)).catch(() => {});
  }, [id, showStoredChat]);

  useEffect(
    () =>
      subscribe(event => {
        if (event.chatId !== id || event.type !== 'run-started' || !config.stored) return;
        if (busy) isOutdated.current = true;
        else void reload();
      }),
    [id, busy, reload],
  );

  useEffect(() => {
    if (!busy && isOutdated.current) void reload();
  }, [busy, reload]);

  return showStoredChat;
}
