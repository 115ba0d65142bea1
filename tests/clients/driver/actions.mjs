// What a person or the app's own code does on a page, one action after another.

import { addToolOutput } from './page.mjs';

const DEADLINE = 20_000;
/** Idle turns of a page after which it is taken to be at rest. */
const QUIET_TURNS = 20;

const isTool = part => part.type === 'dynamic-tool' || part.type.startsWith('tool-');
const toolName = part => part.toolName ?? part.type.slice('tool-'.length);

export class Actions {
  #page;
  #chat;
  #transcript;

  constructor(page, transcript) {
    this.#page = page;
    this.#transcript = transcript;
    this.#chat = page.chat;
  }

  /** Runs actions such as `{send: {text: 'Hello'}}`, then waits until the page is at rest. */
  async run(actions) {
    for (const action of actions) {
      const [[verb, argument]] = Object.entries(action);
      await this[verb](argument);
    }
    await this.rest();
  }

  async send(message) {
    await this.#chat.sendMessage(message);
    await this.rest();
  }

  /** Sends and goes on at once, while the answer is on its way. */
  start(message) {
    this.#chat.sendMessage(message);
  }

  /** Waits until a text stands anywhere in the last message. */
  async seen(text) {
    const last = () => JSON.stringify(this.#chat.messages.at(-1) ?? null);
    const escaped = JSON.stringify(text).slice(1, -1);
    await this.#until(() => last().includes(escaped), `${text} in the last message`);
  }

  async stop() {
    await this.#chat.stop();
    await this.rest();
  }

  async regenerate(options) {
    await this.#chat.regenerate(options);
    await this.rest();
  }

  /** Replaces the user message of that index among the user messages. */
  async edit({ index, text }) {
    const { id } = this.#chat.messages.filter(message => message.role === 'user')[index];
    await this.send({ text, messageId: id });
  }

  /** Gives an output, or `errorText`, to each of a tool's calls that wait for one. */
  async startAnswer({ tool, ...outcome }) {
    const waits = part =>
      isTool(part) && toolName(part) === tool && part.state === 'input-available';
    const waiting = this.#chat.messages.at(-1).parts.filter(waits);
    if (!waiting.length) throw new Error(`no call of ${tool} waits for an output`);
    const state = 'errorText' in outcome ? { state: 'output-error' } : {};
    const add = addToolOutput(this.#chat);
    for (const { toolCallId } of waiting) await add({ tool, toolCallId, ...state, ...outcome });
  }

  async answer(outcome) {
    await this.startAnswer(outcome);
    await this.rest();
  }

  async resume() {
    await this.#chat.resumeStream();
    await this.rest();
  }

  /** Waits until nothing is under way, automatic requests included. */
  async rest() {
    const idle = () => ['ready', 'error'].includes(this.#chat.status);
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      // A page that looks for an answer to resume says so in no status.
      await Promise.allSettled(this.#transcript.unanswered);
      await this.#page.turn();
      if (!idle()) {
        await this.#until(idle, 'the answer to end');
        quiet = 0;
      }
    }
  }

  #until(holds, what) {
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(new Error(`waited in vain for ${what}; status ${this.#chat.status}`));
      const timer = setTimeout(late, DEADLINE);
      const look = () => {
        if (!holds()) return;
        clearTimeout(timer);
        resolve();
      };
      this.#page.onChange(look);
      look();
    });
  }
}
