// A client without a framework: the unmodified AbstractChat of a release over the smallest state that
// it asks for, as the packages for Vue, Svelte and Angular do it.
import { EventEmitter } from 'node:events';

import { chatSchemas, transportOptions } from './front_ends.mjs';
import { loadAi, predicates } from './releases.mjs';

class State extends EventEmitter {
  #status = 'ready';
  #error;
  #messages;

  constructor(messages) {
    super();
    this.#messages = messages;
  }

  get status() {
    return this.#status;
  }
  set status(status) {
    this.#status = status;
    this.emit('change');
  }

  get error() {
    return this.#error;
  }
  set error(error) {
    this.#error = error;
    this.emit('change');
  }

  get messages() {
    return this.#messages;
  }
  set messages(messages) {
    this.#messages = [...messages];
    this.emit('change');
  }

  pushMessage(message) {
    this.messages = [...this.#messages, message];
  }
  popMessage() {
    this.messages = this.#messages.slice(0, -1);
  }
  replaceMessage(index, message) {
    this.messages = this.#messages.with(index, this.snapshot(message));
  }
  snapshot(value) {
    return structuredClone(value);
  }
}

/** More requests than any scenario makes: a client that gets here is in an endless loop. */
const REQUEST_LIMIT = 12;

// 5.0.0 knows it by its first name only.
export const addToolOutput = chat => chat.addToolOutput ?? chat.addToolResult;

/**
 * The options that AbstractChat and useChat share. The client continues by itself whenever one of the
 * release's own predicates says so, up to `requestLimit`. `pageTools` holds the outputs that it
 * adds in `onToolCall`, by tool.
 */
export function chatOptions(ai, transcript, options, chat) {
  const { url, headers = {}, chatId, pageTools = {}, requestLimit = REQUEST_LIMIT } = options;
  const { frontEnd, transport = 'DefaultChatTransport' } = options;
  let ids = 0;
  const known = Object.values(predicates(ai));
  return {
    id: chatId,
    generateId: () => `client-${++ids}`,
    transport: new ai[transport]({
      ...{ api: url, headers, fetch: transcript.fetch },
      ...transportOptions(frontEnd),
    }),
    ...chatSchemas(frontEnd),
    sendAutomaticallyWhen: at =>
      transcript.requests.length < requestLimit && known.some(holds => holds(at)),
    ...transcript.callbacks,
    onToolCall({ toolCall: { toolName, toolCallId } }) {
      if (!(toolName in pageTools)) return;
      // Not awaited: the chat would wait for this callback, and the callback for the chat.
      void addToolOutput(chat())({ tool: toolName, toolCallId, output: pageTools[toolName] });
    },
  };
}

export async function openClient(transcript, { release, messages = [], ...options }) {
  const ai = await loadAi(release);
  const state = new State(messages);
  class Chat extends ai.AbstractChat {}
  const chat = new Chat({ ...chatOptions(ai, transcript, options, () => chat), state });
  state.on('change', () => transcript.status(state.status));
  return {
    chat,
    onChange: callback => state.on('change', callback),
    /** One turn of the event loop. */
    turn: () => new Promise(setImmediate),
    close() {},
  };
}
