// One conversation with the AI SDK's server, its provider's responses read from a recording.
globalThis.AI_SDK_LOG_WARNINGS = false;

/** What a user says to continue. */
const MORE = { role: 'user', parts: [{ type: 'text', text: 'Go on.' }] };

/**
 * Reads every response of a recording: `responses` holds the payloads of each. The app's tools are
 * run by the server, each answering `output`, so that their calls lead to the next step; where the
 * model stops, a user asks for more.
 *
 * `createModel` returns the model for a `fetch` and the tools; `nothingMore` holds the payloads of
 * the response when the recording is over.
 *
 * Gives the turns, each with its UI chunks and how many responses it took, and the bodies of all
 * requests: one for each response, and the one that the next turn would begin with (an `error` in
 * the place of one that could not be made). In the text of an error is its kind only.
 */
export async function converse({ ai, createModel, nothingMore, responses, question }) {
  const requests = [];
  const fetch = async (_, { body }) => {
    const lines = responses[requests.length] ?? nothingMore;
    requests.push(JSON.parse(body));
    return new Response(lines.map(line => `data: ${line}\n\n`).join(''), {
      headers: { 'content-type': 'text/event-stream' },
    });
  };
  const { model, tools } = createModel(fetch);

  async function answer(messages) {
    const result = ai.streamText({
      model,
      messages: await ai.convertToModelMessages(messages, { tools }),
      tools,
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

/** A tool of the app, which answers `output`. */
export function appTool(ai, name, output) {
  const inputSchema = ai.jsonSchema({ type: 'object', properties: {}, additionalProperties: true });
  return ai.tool({ description: name, inputSchema, execute: async () => output });
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
