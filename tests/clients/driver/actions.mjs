// What a user or the app's own code does in a tab, one action after another.

import { addToolOutput } from './client.mjs';
import { Transcript } from './transcript.mjs';

const DEADLINE = 20_000;
/** Idle turns of a client after which it is taken to be at rest. */
const QUIET_TURNS = 20;

const isTool = part => part.type === 'dynamic-tool' || part.type.startsWith('tool-');
const toolName = part => part.toolName ?? part.type.slice('tool-'.length);

export class Actions {
  /** The tabs that are open, each a client and its transcript; the user looks at the last. */
  #tabs = [];
  #open;
  #url;
  #options;
  /** Requests of tabs that were closed. */
  #requests = [];

  /** `open` opens a client: `open(transcript, options)`. */
  constructor(open, { url, ...options }) {
    this.#open = open;
    this.#url = url;
    this.#options = options;
  }

  get #client() {
    return this.#tabs.at(-1).client;
  }
  get #chat() {
    return this.#client.chat;
  }
  get #transcript() {
    return this.#tabs.at(-1).transcript;
  }

  /** Runs actions such as `{send: {text: 'Hello'}}`, then waits until all clients are at rest. */
  async run(actions) {
    await this.#openTab(this.#options);
    for (const action of actions) {
      const [[verb, argument]] = Object.entries(action);
      await this[verb](argument);
    }
    const [...tabs] = this.#tabs;
    for (const tab of tabs) await this.#restOf(tab);
  }

  /** What the last tab went through, with the requests of all, and what the others show. */
  result() {
    const results = this.#tabs.map(({ client, transcript }) => transcript.result(client.chat));
    const requests = [...this.#requests, ...results.flatMap(result => result.requests)];
    return { ...results.at(-1), requests, others: results.slice(0, -1).map(tab => tab.messages) };
  }

  close() {
    for (const { client } of this.#tabs) client.close();
  }

  async #openTab(options) {
    const transcript = new Transcript();
    const client = await this.#open(transcript, { ...options, url: this.#url });
    this.#tabs.push({ client, transcript });
  }

  /** A further tab of the same chat: it has the messages of a store, up to the running response. */
  async tab() {
    const { messages } = this.#chat;
    const asked = messages.findLastIndex(message => message.role === 'user');
    const known = structuredClone(messages.slice(0, asked + 1));
    await this.#openTab({ ...this.#options, messages: known, resume: true });
    if (!this.#client.resumes) this.#chat.resumeStream();
  }

  /** The tab is loaded again, which cuts its connections. */
  async reload() {
    const left = this.#tabs.at(-1);
    await this.tab();
    await this.#leave(left);
  }

  /** The tab is closed, and one without messages of a running response is opened later. */
  async away({ until }) {
    const left = this.#tabs.at(-1);
    const messages = structuredClone(this.#chat.messages.filter(({ role }) => role === 'user'));
    await this.#leave(left);
    for (const moment of until) await this.moment(moment);
    await this.#openTab({ ...this.#options, messages, resume: true });
    if (!this.#client.resumes) this.#chat.resumeStream();
    await this.rest();
  }

  async #leave(tab) {
    this.#tabs.splice(this.#tabs.indexOf(tab), 1);
    this.#requests.push(...tab.transcript.requests);
    tab.transcript.hangUp();
    tab.client.close();
  }

  /** Says that a moment has come, or (GET) waits for it. */
  async moment({ name, method = 'GET' }) {
    const path = `/moments/${name}/${this.#options.chatId}`;
    const response = await fetch(new URL(path, this.#url), { method });
    if (!response.ok) throw new Error(`moment ${name}: ${response.status}`);
  }

  /** The stop route, and the client's own stop, as the documentation has it. */
  async halt() {
    const { chatId, headers } = this.#options;
    const response = await fetch(`${this.#url}/${chatId}/stop`, { method: 'POST', headers });
    if (response.status !== 204) throw new Error(`stop: ${response.status}`);
    await this.stop();
  }

  /** DELETE of the stream beside the client's own stop, as the AI SDK's example has it. */
  async drop() {
    const { chatId, headers } = this.#options;
    const sent = fetch(`${this.#url}/${chatId}/stream`, { method: 'DELETE', headers });
    await this.stop();
    const { status } = await sent;
    if (status >= 300) throw new Error(`DELETE: ${status}`);
  }

  /** Decides on the calls that wait for an approval: of `call` only, or all. */
  async decide({ call, approved, reason }) {
    const waits = part => isTool(part) && part.state === 'approval-requested';
    // The last message that has one: the user may have written another one since.
    const waiting = this.#chat.messages
      .map(({ parts }) => parts.filter(part => waits(part) && (!call || part.toolCallId === call)))
      .findLast(parts => parts.length) ?? [];
    if (!waiting.length) throw new Error('no call waits for an approval');
    for (const { approval } of waiting)
      await this.#chat.addToolApprovalResponse({ id: approval.id, approved, reason });
  }

  async approve(decision) {
    await this.decide({ approved: true, ...decision });
    await this.rest();
  }

  async deny(decision) {
    await this.decide({ approved: false, ...decision });
    await this.rest();
  }

  async send(message) {
    await this.#chat.sendMessage(message);
    await this.rest();
  }

  async sendNothing() {
    await this.#chat.sendMessage();
    await this.rest();
  }

  /** Sends and goes on at once, while the response is on its way. */
  start(message) {
    this.#chat.sendMessage(message);
  }

  /** Waits until a text stands anywhere in the last message. */
  async seen(text) {
    const chat = this.#chat;
    // Not its id, which is random and may hold a short text by chance.
    const last = () => JSON.stringify(chat.messages.at(-1)?.parts ?? null);
    const escaped = JSON.stringify(text).slice(1, -1);
    await this.#until(() => last().includes(escaped), `${text} in the last message`);
  }

  async stop() {
    await this.#chat.stop();
    await this.rest();
  }

  /** The network fails, and the client shows that. */
  async lose() {
    this.#transcript.lose();
    await this.#until(() => this.#chat.status === 'error', 'the error of a lost connection');
  }

  startRegenerate() {
    this.#chat.regenerate();
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
  async startOutput({ tool, ...outcome }) {
    const waits = part =>
      isTool(part) && toolName(part) === tool && part.state === 'input-available';
    const waiting = this.#chat.messages.at(-1).parts.filter(waits);
    if (!waiting.length) throw new Error(`no call of ${tool} waits for an output`);
    const state = 'errorText' in outcome ? { state: 'output-error' } : {};
    const add = addToolOutput(this.#chat);
    for (const { toolCallId } of waiting) await add({ tool, toolCallId, ...state, ...outcome });
  }

  async addOutput(outcome) {
    await this.startOutput(outcome);
    await this.rest();
  }

  async resume() {
    await this.#chat.resumeStream();
    await this.rest();
  }

  /** Waits until nothing is under way, automatic requests included. */
  rest() {
    return this.#restOf(this.#tabs.at(-1));
  }

  async #restOf({ client, transcript }) {
    const idle = () => ['ready', 'error'].includes(client.chat.status);
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      // A client that looks for a run to resume has no status for it.
      await Promise.allSettled(transcript.pendingRequests);
      await client.turn();
      if (!idle()) {
        await this.#until(idle, 'the response to end', client);
        quiet = 0;
      }
    }
  }

  #until(holds, what, client = this.#client) {
    return new Promise((resolve, reject) => {
      const late = () =>
        reject(new Error(`waited in vain for ${what}; status ${client.chat.status}`));
      const timer = setTimeout(late, DEADLINE);
      const look = () => {
        if (!holds()) return;
        clearTimeout(timer);
        resolve();
      };
      client.onChange(look);
      look();
    });
  }
}
