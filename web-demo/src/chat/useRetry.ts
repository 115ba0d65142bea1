import {
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
} from 'ai';
import { useCallback, useEffect } from 'react';
import { loadChat, type StoredChat } from '../api/chats';
import { config } from '../config';
import type { DemoChat } from './useDemoChat';

/**
 * Return what the Retry button does after an error: repeat the request; or, after a lost connection,
 * load the chat first, since the run may have continued on the server.
 */
export function useRetry(
  chat: DemoChat,
  showStoredChat: (stored: StoredChat) => Promise<void>,
): () => void {
  const { id, error, messages, sendMessage, regenerate } = chat;

  const repeatRequest = useCallback(() => {
    // Continue a response whose tool calls have their outputs or approvals instead of replacing it.
    const canContinue =
      lastAssistantMessageIsCompleteWithToolCalls({ messages }) ||
      lastAssistantMessageIsCompleteWithApprovalResponses({ messages });
    return canContinue ? sendMessage() : regenerate();
  }, [messages, sendMessage, regenerate]);

  const recover = useCallback(async () => {
    const userMessage = messages.findLast(message => message.role === 'user');
    const stored = await loadChat(id).catch(() => undefined);
    const wasReceived = stored?.messages.some(message => message.id === userMessage?.id);
    const hasResponse = stored?.activeRunId || stored?.messages.at(-1)?.role === 'assistant';
    if (stored && wasReceived && hasResponse) await showStoredChat(stored);
    else await repeatRequest();
  }, [id, messages, showStoredChat, repeatRequest]);

  const canRecover = config.stored && isConnectionLost(error);

  useEffect(() => {
    if (!canRecover) return;
    const onOnline = () => void recover();
    addEventListener('online', onOnline);
    return () => removeEventListener('online', onOnline);
  }, [canRecover, recover]);

  return () => void (canRecover ? recover() : repeatRequest());
}

/** Whether it is the error that `fetch` throws if the connection fails or breaks. */
export function isConnectionLost(error: Error | undefined): boolean {
  return error instanceof TypeError;
}
