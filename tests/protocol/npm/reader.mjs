// Reads finished streams with published clients, for tests of the protocol library. Each line of
// the input is a JSON command, each line of the output its result, in the same order.
import { createInterface } from 'node:readline';

import { loadAi, predicates } from '../../clients/driver/releases.mjs';
import { State, question } from './state.mjs';

/** A client that sends as many requests would send them forever. */
const MAX_REQUESTS = 3;

const commands = {
  /**
   * What a client has at the end of a response: the message, with parts that are not visible yet,
   * the finish reason, the error on which it stopped, and the ids of the calls that it passed to
   * `onToolCall`. `count` is how many messages it shows after the question. The response continues
   * `message`.
   */
  async read({ release, body, message }) {
    const ai = await loadAi(release);
    class Chat extends ai.AbstractChat {}
    const toolCalls = [];
    let finished;
    const chat = new Chat({
      state: new State(message ? [question, message] : [question]),
      generateId: () => 'generated',
      transport: new ai.DefaultChatTransport({
        api: 'http://127.0.0.1/',
        fetch: async () => new Response(body),
      }),
      onToolCall: ({ toolCall }) => void toolCalls.push(toolCall.toolCallId),
      onFinish: options => (finished = options),
    });
    await chat.sendMessage();
    return {
      message: finished?.message ?? chat.messages.at(-1),
      finishReason: finished?.finishReason ?? null,
      error: chat.error?.message ?? null,
      toolCalls,
      count: chat.messages.filter(({ role }) => role === 'assistant').length,
    };
  },

  /** For each body, the error on which a client stops that only parses the chunks, or null. */
  async accept({ release, bodies }) {
    const ai = await loadAi(release);
    return Promise.all(
      bodies.map(async body => {
        const transport = new ai.DefaultChatTransport({
          api: 'http://127.0.0.1/',
          fetch: async () => new Response(body),
        });
        try {
          const chunks = await transport.sendMessages({
            chatId: 'chat',
            messages: [question],
            trigger: 'submit-message',
          });
          for await (const _ of chunks);
          return null;
        } catch (error) {
          return error.message;
        }
      }),
    );
  },

  /** How many requests an automatically continuing client sends if every response is the same. */
  async requests({ release, body, message }) {
    const ai = await loadAi(release);
    class Chat extends ai.AbstractChat {}
    const continues = Object.values(predicates(ai));
    let count = 0;
    const chat = new Chat({
      state: new State(message ? [question, message] : [question]),
      generateId: () => 'generated',
      sendAutomaticallyWhen: chat => count < MAX_REQUESTS && continues.some(predicate => predicate(chat)),
      transport: new ai.DefaultChatTransport({
        api: 'http://127.0.0.1/',
        fetch: async () => {
          count += 1;
          return new Response(body);
        },
      }),
    });
    await chat.sendMessage();
    return count;
  },

  /** What a client parses from incomplete JSON texts: `{value}`, or `{}` for nothing. */
  async parse({ release, texts }) {
    const ai = await loadAi(release);
    return Promise.all(
      texts.map(async text => {
        const { value } = await ai.parsePartialJson(text);
        return value === undefined ? {} : { value };
      }),
    );
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...options } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await commands[command](options) };
  } catch (error) {
    answer = { error: error.stack };
  }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
}
