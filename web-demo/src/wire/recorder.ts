/** One request for an answer, as it went over the wire. Times are `performance.now()`. */
export type Recording = {
  readonly number: number;
  readonly chat: string;
  readonly method: string;
  readonly url: string;
  /** bytes of the request's body */
  readonly sent: number;
  readonly sentAt: number;
  status?: number;
  headersAt?: number;
  /** what each read of the network brought */
  readonly reads: { at: number; bytes: Uint8Array }[];
  endedAt?: number;
  end?: 'complete' | 'hung up' | 'broken';
};

/** Requests that are kept, of all chats together. */
const KEPT = 30;

let recordings: readonly Recording[] = [];
const watchers = new Set<() => void>();
let count = 0;

export const wire = {
  recordings: () => recordings,
  subscribe(watcher: () => void): () => void {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
};

/**
 * A `fetch` that notes what arrives when. It changes nothing, and holds nothing up: the bytes are
 * handed on as they come, and read as fast as the network brings them.
 */
export function recording(chat: string, onAnswering: () => void): typeof fetch {
  return async (input, init = {}) => {
    const { method = 'GET', body } = init;
    const noted: Recording = {
      number: ++count,
      chat,
      method,
      url: String(input),
      sent: typeof body === 'string' ? body.length : 0,
      sentAt: performance.now(),
      reads: [],
    };
    recordings = [...recordings.slice(1 - KEPT), noted];
    changed();
    try {
      const response = await fetch(input, init);
      noted.status = response.status;
      noted.headersAt = performance.now();
      if (method === 'POST' && response.ok) onAnswering();
      // "Nothing to resume" has no body, whatever the browser makes of it.
      if (!response.body || response.status === 204) {
        end(noted, 'complete');
        return response;
      }
      const { status, statusText, headers } = response;
      return new Response(passOn(response.body, noted), { status, statusText, headers });
    } catch (error) {
      end(noted, init.signal?.aborted ? 'hung up' : 'broken');
      throw error;
    }
  };
}

function passOn(body: ReadableStream<Uint8Array>, noted: Recording): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            end(noted, 'complete');
            controller.close();
          } else {
            noted.reads.push({ at: performance.now(), bytes: value });
            controller.enqueue(value);
            changed();
          }
        } catch (error) {
          end(noted, error instanceof DOMException ? 'hung up' : 'broken');
          throw error;
        }
      },
      cancel(reason) {
        end(noted, 'hung up');
        return reader.cancel(reason);
      },
    },
    // Reads ahead of the page, so that the times are the network's and not the page's.
    { highWaterMark: 4096 },
  );
}

function end(noted: Recording, how: NonNullable<Recording['end']>) {
  noted.endedAt ??= performance.now();
  noted.end ??= how;
  changed();
}

function changed() {
  for (const watcher of watchers) watcher();
}
