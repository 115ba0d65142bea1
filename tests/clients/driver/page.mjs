// A page without a framework: the unmodified AbstractChat of a release over the smallest state that
// it asks for, as the packages for Vue, Svelte and Angular do it.
import { EventEmitter } from 'node:events';

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

/** The options that AbstractChat and useChat share. `automatic` names the predicates in use. */
export function chatOptions(ai, transcript, { url, headers = {}, chatId, automatic = [] }) {
  let ids = 0;
  const known = predicates(ai);
  const wanted = automatic.map(name => known[name]).filter(Boolean);
  return {
    id: chatId,
    generateId: () => `client-${++ids}`,
    transport: new ai.DefaultChatTransport({ api: url, headers, fetch: transcript.fetch }),
    ...(wanted.length ? { sendAutomaticallyWhen: at => wanted.some(holds => holds(at)) } : {}),
    ...transcript.callbacks,
  };
}

export async function openPage(transcript, { release, messages = [], ...options }) {
  const ai = await loadAi(release);
  const state = new State(messages);
  class Chat extends ai.AbstractChat {}
  const chat = new Chat({ ...chatOptions(ai, transcript, options), state });
  state.on('change', () => transcript.status(state.status));
  return { chat, onChange: callback => state.on('change', callback), close() {} };
}
