import { useCallback, useEffect, useRef } from 'react';
import { loadChat, type StoredChat } from '../chats/api';
import { listen } from '../chats/tabs';
import { config } from '../server/config';
import type { DemoChat } from './useDemoChat';

/** Keeps the page up to what other tabs do in its chat. Returns how to show what the server has. */
export function useFollow(chat: DemoChat) {
  const { id, busy, setMessages, resumeStream } = chat;
  const behind = useRef(false);

  /** What the server has, and the answer that is under way there. */
  const show = useCallback(
    async (stored: StoredChat) => {
      setMessages(stored.messages);
      await resumeStream();
    },
    [setMessages, resumeStream],
  );

  const follow = useCallback(async () => {
    behind.current = false;
    await show(await loadChat(id)).catch(() => {});
  }, [id, show]);

  // Another tab asked something in this chat.
  useEffect(
    () =>
      listen(news => {
        if (news.chat !== id || news.what !== 'answering' || !config.stored) return;
        if (busy) behind.current = true;
        else void follow();
      }),
    [id, busy, follow],
  );

  // It did so while this tab was still reading the answer before.
  useEffect(() => {
    if (!busy && behind.current) void follow();
  }, [busy, follow]);

  return show;
}
