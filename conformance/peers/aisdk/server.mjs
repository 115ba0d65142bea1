// AI SDK on Node, as its documentation writes a chat route, with the tools of the suite.
// PORT: the port to listen on. ANTHROPIC_BASE_URL: the provider.
import { createServer } from 'node:http';
import { createAnthropic } from '@ai-sdk/anthropic';
import {
  convertToModelMessages,
  createUIMessageStream,
  isStepCount,
  jsonSchema,
  pipeUIMessageStreamToResponse,
  streamText,
  tool,
  toUIMessageStream,
} from 'ai';

const anthropic = createAnthropic({ baseURL: `${process.env.ANTHROPIC_BASE_URL}/v1` });

const inputSchema = name =>
  jsonSchema({ type: 'object', properties: { [name]: { type: 'string' } }, required: [name] });

const tools = writer => ({
  look_up: tool({ inputSchema: inputSchema('word'), execute: async ({ word }) => `${word}: a word` }),
  forget: tool({ inputSchema: inputSchema('word'), execute: async () => undefined }),
  fail: tool({
    inputSchema: inputSchema('word'),
    execute: async ({ word }) => {
      throw new Error(`conformance-secret: ${word}`);
    },
  }),
  report: tool({
    inputSchema: inputSchema('word'),
    execute: async ({ word }) => {
      writer.write({ type: 'data-word', id: 'word', data: { word } });
      return word;
    },
  }),
  send_postcard: tool({ inputSchema: inputSchema('to'), execute: async ({ to }) => `sent to ${to}` }),
  browser_time: tool({ inputSchema: inputSchema('zone') }),
});

createServer(async (request, response) => {
  if (request.method !== 'POST' || request.url !== '/api/chat') {
    response.statusCode = 404;
    return response.end('Not found');
  }
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const controller = new AbortController();
  response.on('close', () => controller.abort());
  try {
    const { messages } = JSON.parse(Buffer.concat(pieces).toString());
    const modelMessages = await convertToModelMessages(messages);
    const stream = createUIMessageStream({
      originalMessages: messages,
      execute: ({ writer }) => {
        const result = streamText({
          model: anthropic('claude-sonnet-4-5'),
          messages: modelMessages,
          tools: tools(writer),
          toolApproval: { send_postcard: 'user-approval' },
          stopWhen: isStepCount(5),
          abortSignal: controller.signal,
          onError: () => {},
        });
        writer.merge(
          toUIMessageStream({
            stream: result.stream,
            messageMetadata: ({ part }) =>
              part.type === 'finish' ? { totalTokens: part.totalUsage.totalTokens } : undefined,
          }),
        );
      },
    });
    return pipeUIMessageStreamToResponse({ response, stream });
  } catch {
    // What Next.js and the other frameworks do with an error of a route.
    response.statusCode = 500;
    return response.end('Internal Server Error');
  }
}).listen(Number(process.env.PORT), '127.0.0.1');
