import {
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
} from 'ai';
import { useCallback, useEffect } from 'react';
import { loadChat, type StoredChat } from '../chats/api';
import { config } from '../server/config';
import type { DemoChat } from './useDemoChat';

/** What Retry does after an error: ask again, or look what became of an answer that was lost. */
export function useRetry(chat: DemoChat, show: (stored: StoredChat) => Promise<void>) {
  const { id, error, messages, sendMessage, regenerate } = chat;

  const askAgain = useCallback(() => {
    // What the page and the person answered to the model's calls is not asked for again.
    const goesOn =
      lastAssistantMessageIsCompleteWithToolCalls({ messages }) ||
      lastAssistantMessageIsCompleteWithApprovalResponses({ messages });
    return goesOn ? sendMessage() : regenerate();
  }, [messages, sendMessage, regenerate]);

  const lookAgain = useCallback(async () => {
    const question = messages.findLast(message => message.role === 'user');
    const stored = await loadChat(id).catch(() => undefined);
    const arrived = stored?.messages.some(message => message.id === question?.id);
    const answered = stored?.activeRunId || stored?.messages.at(-1)?.role === 'assistant';
    if (stored && arrived && answered) await show(stored);
    else await askAgain();
  }, [id, messages, show, askAgain]);

  // The server may have gone on without us.
  const lost = config.stored && isLost(error);
  const retry = lost ? lookAgain : askAgain;

  useEffect(() => {
    if (!lost) return;
    const onOnline = () => void lookAgain();
    addEventListener('online', onOnline);
    return () => removeEventListener('online', onOnline);
  }, [lost, lookAgain]);

  return () => void retry();
}

/** Whether it is the browser's own error for a connection that broke or was never made. */
export function isLost(error: Error | undefined): boolean {
  return error instanceof TypeError;
}
