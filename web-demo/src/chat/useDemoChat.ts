import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls } from 'ai';
import { type DemoMessage, runTool } from '../tools';

const transport = new DefaultChatTransport<DemoMessage>({
  // Relative to the page, which may be mounted under a path.
  api: new URL('api/chat', document.baseURI).href,
  // The one line a frontend adds to get all that its release of `ai` can read.
  headers: { 'x-usechat-floor': '7.0.173' },
});

/** `useChat`, with the page's tools answering the model's calls. */
export function useDemoChat(id: string) {
  const chat = useChat<DemoMessage>({
    id,
    transport,
    // At most thirty drawings a second, however fast the model is.
    throttle: 33,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
    onToolCall({ toolCall }) {
      // Not awaited: the client waits for this handler before it reads on.
      if (!toolCall.dynamic) void chat.addToolOutput(runTool(toolCall));
    },
  });
  return chat;
}

export type DemoChat = ReturnType<typeof useDemoChat>;
