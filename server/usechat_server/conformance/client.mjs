// Reads responses with the release of `ai` that is installed beside this file. The input is a list of
// {body, message}: the bytes in base64, and the assistant message that the response continues. The
// output is a list with the error on which the client stopped for each, or null.
import { AbstractChat, DefaultChatTransport } from 'ai';

const question = { id: 'question', role: 'user', parts: [{ type: 'text', text: 'Hello' }] };

/** The smallest state that AbstractChat accepts. */
class State {
  status = 'ready';
  error;
  messages;

  constructor(messages) {
    this.messages = messages;
  }
  pushMessage(message) {
    this.messages.push(message);
  }
  popMessage() {
    this.messages.pop();
  }
  replaceMessage(index, message) {
    this.messages[index] = message;
  }
  snapshot(value) {
    return structuredClone(value);
  }
}

class Chat extends AbstractChat {}

async function read({ body, message }) {
  const chat = new Chat({
    state: new State(message ? [question, message] : [question]),
    generateId: () => 'generated',
    transport: new DefaultChatTransport({
      api: 'http://127.0.0.1/',
      fetch: async () => new Response(Buffer.from(body, 'base64')),
    }),
  });
  await chat.sendMessage();
  return chat.error ? String(chat.error.message) : null;
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const errors = [];
for (const response of JSON.parse(Buffer.concat(chunks).toString())) errors.push(await read(response));
process.stdout.write(JSON.stringify(errors));
