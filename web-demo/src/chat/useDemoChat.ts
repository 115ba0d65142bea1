import { useChat } from '@ai-sdk/react';
import {
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
} from 'ai';
import { useMemo } from 'react';
import { stopRun } from '../api/chats';
import { CLIENT_VERSION_HEADERS } from '../api/clientVersion';
import { apiUrl } from '../api/request';
import { runClientTool } from '../clientTools';
import { createRecordingFetch } from '../inspector/recorder';
import { usePaintTime } from '../inspector/usePaintTime';
import type { DemoMessage } from '../messageTypes';
import { runInOneTab } from './runInOneTab';

type Options = {
  id: string;
  initialMessages: DemoMessage[];
  /** whether the server may have an active run whose stream should be resumed */
  resume: boolean;
  /** called when the server accepts a request and starts a run */
  onRunStarted: () => void;
  /** called when the response ends, successfully or not */
  onRunEnded: () => void;
};

export type DemoChat = ReturnType<typeof useDemoChat>;

/** Minimum milliseconds between two renders of a streaming message. */
const THROTTLE = 33;

/** `useChat` with client tools, automatic continuation, and a stop that ends the run on the server. */
export function useDemoChat({ id, initialMessages, resume, onRunStarted, onRunEnded }: Options) {
  const transport = useMemo(
    () =>
      new DefaultChatTransport<DemoMessage>({
        api: apiUrl('chat'),
        headers: CLIENT_VERSION_HEADERS,
        fetch: createRecordingFetch(id, onRunStarted),
      }),
    [id, onRunStarted],
  );
  const chat = useChat<DemoMessage>({
    id,
    messages: initialMessages,
    resume,
    transport,
    throttle: THROTTLE,
    sendAutomaticallyWhen: state =>
      lastAssistantMessageIsCompleteWithToolCalls(state) ||
      lastAssistantMessageIsCompleteWithApprovalResponses(state),
    onToolCall({ toolCall }) {
      if (toolCall.dynamic) return;
      runInOneTab(`usechat ${id} ${toolCall.toolCallId}`, () => {
        const toolOutput = runClientTool(toolCall);
        // Not awaited: `useChat` reads no further chunks until this handler returns.
        if (toolOutput) void chat.addToolOutput(toolOutput);
      });
    },
    onFinish: onRunEnded,
  });
  usePaintTime(id, chat.messages);
  return {
    ...chat,
    busy: chat.status === 'submitted' || chat.status === 'streaming',
    stop() {
      const lastMessage = chat.messages.at(-1);
      // Closing the connection is not enough: to the server it may be a lost network.
      if (lastMessage) void stopRun(id, lastMessage.id).catch(() => {});
      void chat.stop();
    },
  };
}
