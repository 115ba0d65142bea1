// One conversation with the AI SDK's server, its provider's answers read from a recording.
import { loadAi, loadAnthropic } from '../../../../clients/driver/releases.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;

/** The newest release of each major. */
const RELEASES = { 6: '6.0.326', 7: '7.0.173' };

/** The model's name only decides defaults of the request. */
const MODEL = 'claude-sonnet-5-5';

/** What a user says to continue. */
const MORE = { role: 'user', parts: [{ type: 'text', text: 'Go on.' }] };

/** What the provider answers when the recording is over. */
const NOTHING_MORE = [
  { type: 'message_start', message: { id: 'msg_end', usage: { input_tokens: 1 } } },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } },
  { type: 'message_stop' },
].map(event => JSON.stringify(event));

/**
 * Reads every response of a recording: `responses` holds the payloads of each. The app's tools are
 * run by the server, each answering `output`, so that their calls lead to the next step; where the
 * model stops, a user asks for more.
 *
 * Gives the turns, each with its UI chunks and how many responses it took, and the bodies of all
 * requests: one for each response, and the one that the next turn would begin with (an `error` in
 * the place of one that could not be made). In the text of an error is its kind only.
 */
export async function translate({ major, responses, question, tools, output }) {
  const ai = await loadAi(RELEASES[major]);
  const { createAnthropic } = await loadAnthropic(major);
  const requests = [];
  const anthropic = createAnthropic({
    apiKey: 'none',
    fetch: async (_, { body }) => {
      const lines = responses[requests.length] ?? NOTHING_MORE;
      requests.push(JSON.parse(body));
      return new Response(lines.map(line => `data: ${line}\n\n`).join(''), {
        headers: { 'content-type': 'text/event-stream' },
      });
    },
  });
  const declared = declare(ai, anthropic, tools, output);

  async function answer(messages) {
    const result = ai.streamText({
      model: anthropic(MODEL),
      messages: await ai.convertToModelMessages(messages, { tools: declared }),
      tools: declared,
      stopWhen: () => requests.length >= responses.length,
      maxRetries: 0,
      onError() {},
    });
    const chunks = [];
    const onError = error => error?.name ?? error?.type ?? String(error);
    const stream = result.toUIMessageStream({ sendReasoning: true, sendSources: true, onError });
    try {
      for await (const chunk of stream) chunks.push(JSON.parse(JSON.stringify(chunk)));
    } catch (error) {
      chunks.push({ type: 'error', errorText: onError(error) });
    }
    return chunks;
  }

  const messages = [question];
  const turns = [];
  while (requests.length < responses.length) {
    const before = requests.length;
    const chunks = await answer(messages);
    if (requests.length === before) throw new Error(`no request: ${JSON.stringify(chunks)}`);
    turns.push({ responses: requests.length - before, chunks });
    messages.push({ ...(await read(ai, chunks)), id: `answer-${turns.length}` });
    messages.push({ ...MORE, id: `more-${turns.length}` });
  }
  const after = await answer(messages).catch(error => [{ errorText: error.name }]);
  if (requests.length === responses.length) {
    requests.push({ error: after.find(chunk => chunk.errorText).errorText });
  }
  return { turns, requests };
}

/** The tools of a request: the provider's by the factory that makes them, the others the app's. */
function declare(ai, anthropic, tools, output) {
  const inputSchema = ai.jsonSchema({ type: 'object', properties: {}, additionalProperties: true });
  const execute = async () => output;
  return Object.fromEntries(
    Object.entries(tools).map(([name, { factory, args, run }]) => {
      if (!factory) return [name, ai.tool({ description: name, inputSchema, execute })];
      const tool = anthropic.tools[factory](args);
      return [name, run ? { ...tool, execute } : tool];
    }),
  );
}

/** The message that a client has after the chunks. */
async function read(ai, chunks) {
  const stream = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) if (chunk.type !== 'error') controller.enqueue(chunk);
      controller.close();
    },
  });
  let message = { role: 'assistant', parts: [] };
  for await (const state of ai.readUIMessageStream({ stream, onError() {} })) message = state;
  return message;
}
