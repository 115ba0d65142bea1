import { useChat } from '@ai-sdk/react';
import {
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
} from 'ai';
import { useMemo } from 'react';
import { stopChat } from '../chats/api';
import { api } from '../server/api';
import { FLOOR } from '../server/floor';
import { type DemoMessage, runTool } from '../tools';
import { recording } from '../wire/recorder';
import { once } from './once';

type Options = {
  id: string;
  /** what was said before */
  messages: DemoMessage[];
  /** whether an answer may be under way that this page shall pick up */
  resume: boolean;
  /** the server took a request of this page: an answer begins */
  onAnswering: () => void;
  /** the answer ended, whichever way */
  onEnd: () => void;
};

export type DemoChat = ReturnType<typeof useDemoChat>;

/** `useChat`, with the page's tools answering the model's calls and a stop that reaches the server. */
export function useDemoChat({ id, messages, resume, onAnswering, onEnd }: Options) {
  const transport = useMemo(
    () =>
      new DefaultChatTransport<DemoMessage>({
        api: api('chat'),
        headers: FLOOR,
        fetch: recording(id, onAnswering),
      }),
    [id, onAnswering],
  );
  const chat = useChat<DemoMessage>({
    id,
    messages,
    resume,
    transport,
    // At most thirty drawings a second, however fast the model is.
    throttle: 33,
    sendAutomaticallyWhen: state =>
      lastAssistantMessageIsCompleteWithToolCalls(state) ||
      lastAssistantMessageIsCompleteWithApprovalResponses(state),
    onToolCall({ toolCall }) {
      if (toolCall.dynamic) return;
      once(`usechat ${id} ${toolCall.toolCallId}`, () => {
        const answer = runTool(toolCall);
        // Not awaited: the client waits for this handler before it reads on.
        if (answer) void chat.addToolOutput(answer);
      });
    },
    onFinish: onEnd,
  });
  return {
    ...chat,
    busy: chat.status === 'submitted' || chat.status === 'streaming',
    stop() {
      const last = chat.messages.at(-1);
      // Hanging up alone tells the server little: it may have been the network.
      if (last) void stopChat(id, last.id).catch(() => {});
      void chat.stop();
    },
  };
}
