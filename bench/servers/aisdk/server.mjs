// AI SDK on Node, as its documentation writes a chat route.
// PORT: the port to listen on. ANTHROPIC_BASE_URL: the provider.
import { createServer } from 'node:http';
import { createAnthropic } from '@ai-sdk/anthropic';
import {
  convertToModelMessages,
  jsonSchema,
  pipeUIMessageStreamToResponse,
  streamText,
  tool,
  toUIMessageStream,
} from 'ai';

const anthropic = createAnthropic({ baseURL: `${process.env.ANTHROPIC_BASE_URL}/v1` });
const tools = {
  write: tool({
    description: 'Writes.',
    inputSchema: jsonSchema({ type: 'object', properties: { body: {} }, required: ['body'] }),
  }),
};

createServer(async (request, response) => {
  if (request.method !== 'POST') return response.end('ok');
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { messages } = JSON.parse(Buffer.concat(chunks).toString());
  const controller = new AbortController();
  response.on('close', () => controller.abort());
  const result = streamText({
    model: anthropic('claude-sonnet-4-5'),
    messages: await convertToModelMessages(messages),
    tools,
    abortSignal: controller.signal,
    onError: () => {},
  });
  return pipeUIMessageStreamToResponse({ response, stream: toUIMessageStream({ stream: result.stream }) });
}).listen(Number(process.env.PORT), '127.0.0.1');
