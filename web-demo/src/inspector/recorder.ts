/** A chat request and the bytes of its response. Times are `performance.now()`. */
export type Recording = {
  readonly number: number;
  readonly chatId: string;
  readonly method: string;
  readonly url: string;
  /** size of the request body */
  readonly requestBytes: number;
  readonly startedAt: number;
  status?: number;
  /** milliseconds that the server took until it began to respond; undefined unless it says so */
  serverTime?: number | undefined;
  /** the network reads of the response body */
  readonly reads: { receivedAt: number; bytes: Uint8Array }[];
  /** when the first token was on the screen */
  paintedAt?: number;
  endedAt?: number;
  /** how the request ended; undefined while it is open */
  outcome?: 'complete' | 'aborted' | 'failed';
};

/** Maximum number of recordings to keep, over all chats. */
const MAX_RECORDINGS = 30;

let recordings: readonly Recording[] = [];
let lastNumber = 0;
const subscribers = new Set<() => void>();

/** The recordings of all chats, oldest first. */
export const recordingStore = {
  getAll: () => recordings,
  /** Call back after each change. Returns a function that unsubscribes. */
  subscribe(callback: () => void): () => void {
    subscribers.add(callback);
    return () => subscribers.delete(callback);
  },
};

function notifySubscribers() {
  for (const callback of subscribers) callback();
}

/** Create a `fetch` that records each response. It neither changes nor delays the stream. */
export function createRecordingFetch(chatId: string, onRunStarted: () => void): typeof fetch {
  return async (input, init = {}) => {
    const { method = 'GET', body } = init;
    const recording: Recording = {
      number: ++lastNumber,
      chatId,
      method,
      url: String(input),
      requestBytes: typeof body === 'string' ? body.length : 0,
      startedAt: performance.now(),
      reads: [],
    };
    recordings = [...recordings.slice(1 - MAX_RECORDINGS), recording];
    notifySubscribers();
    try {
      const response = await fetch(input, init);
      recording.status = response.status;
      recording.serverTime = serverTime(response.headers);
      if (method === 'POST' && response.ok) onRunStarted();
      // 204 (no active run to resume) has no body, though some browsers provide an empty one.
      if (!response.body || response.status === 204) {
        finish(recording, 'complete');
        return response;
      }
      const { status, statusText, headers } = response;
      return new Response(recordBody(response.body, recording), { status, statusText, headers });
    } catch (error) {
      finish(recording, init.signal?.aborted ? 'aborted' : 'failed');
      throw error;
    }
  };
}

/** Note that the first token of a recording is about to be painted: React has put it on the page. */
export function recordPaint(recording: Recording) {
  // After the next frame. A hidden page has none.
  requestAnimationFrame(() => {
    setTimeout(() => {
      recording.paintedAt ??= performance.now();
      notifySubscribers();
    });
  });
}

/** Return the total of the header `Server-Timing`. */
function serverTime(headers: Headers): number | undefined {
  const total = /(?:^|,)\s*total;dur=([\d.]+)/.exec(headers.get('server-timing') ?? '');
  return total ? Number(total[1]) : undefined;
}

/** Return the recorded response body, for a file or a bug report. */
export function recordedText(recording: Recording): string {
  const decoder = new TextDecoder();
  return recording.reads.map(({ bytes }) => decoder.decode(bytes, { stream: true })).join('');
}

function recordBody(
  body: ReadableStream<Uint8Array>,
  recording: Recording,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            finish(recording, 'complete');
            controller.close();
          } else {
            recording.reads.push({ receivedAt: performance.now(), bytes: value });
            controller.enqueue(value);
            notifySubscribers();
          }
        } catch (error) {
          finish(recording, error instanceof DOMException ? 'aborted' : 'failed');
          throw error;
        }
      },
      cancel(reason) {
        finish(recording, 'aborted');
        return reader.cancel(reason);
      },
    },
    // Read ahead of the consumer, so that the times are those of the network.
    { highWaterMark: 4096 },
  );
}

function finish(recording: Recording, outcome: NonNullable<Recording['outcome']>) {
  recording.endedAt ??= performance.now();
  recording.outcome ??= outcome;
  notifySubscribers();
}
