// What happened to one chat, as plain JSON: what the client showed, and what it asked for.

const plain = value => (value === undefined ? null : JSON.parse(JSON.stringify(value)));

export const describeError = error => (error ? { name: error.name, message: error.message } : null);

export class Transcript {
  statuses = [];
  requests = [];
  finishes = [];
  errors = [];

  /** Requests that wait for their response to begin. */
  pendingRequests = new Set();

  #gone = new AbortController();

  /** Cuts all connections, as a client that is closed does. */
  hangUp() {
    this.#gone.abort();
  }

  /** Breaks all connections, which can be opened again. */
  lose() {
    this.#gone.abort(new TypeError('network error'));
    this.#gone = new AbortController();
  }

  /** `fetch` that keeps each request. */
  fetch = async (url, { method = 'GET', headers, body, signal, ...init } = {}) => {
    const request = { method, path: new URL(url).pathname, body: body ? JSON.parse(body) : null };
    this.requests.push(request);
    const signals = [this.#gone.signal, signal].filter(Boolean);
    const pending = fetch(url, { method, headers, body, signal: AbortSignal.any(signals), ...init });
    this.pendingRequests.add(pending);
    try {
      const response = await pending;
      request.status = response.status;
      if (!response.ok) request.refusal = await response.clone().text();
      return response;
    } finally {
      this.pendingRequests.delete(pending);
    }
  };

  /** The callbacks of AbstractChat and of useChat. */
  callbacks = {
    onFinish: ({ message, messages, ...how }) =>
      this.finishes.push({ messageId: message?.id ?? null, ...plain(how) }),
    onError: error => this.errors.push(describeError(error)),
  };

  status(status) {
    if (this.statuses.at(-1) !== status) this.statuses.push(status);
  }

  /** The end of the conversation. */
  result({ status, error, messages }) {
    const { statuses, requests, finishes, errors } = this;
    return {
      status,
      error: describeError(error),
      messages: plain(messages),
      ...{ statuses, requests, finishes, errors },
    };
  }
}
