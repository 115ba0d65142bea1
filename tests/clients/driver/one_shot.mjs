// The hooks that ask once, in React: the real useCompletion and useObject of the newest release of a major.
import { z } from 'zod';

import { render, useEffect } from './dom.mjs';
import { loadReact } from './releases.mjs';
import { Transcript, describeError } from './transcript.mjs';

const DEADLINE = 20_000;

const schemas = {
  recipe: z.object({ name: z.string(), steps: z.array(z.string()) }),
  cities: z.array(z.object({ city: z.string() })),
};

/** What each hook is called with, and what it shows and does. */
const hooks = {
  completion: {
    options: ({ protocol, body }) => ({ streamProtocol: protocol, body }),
    use: (react, options) => {
      const { completion, complete, ...rest } = react.useCompletion(options);
      return { shown: completion, ask: complete, ...rest };
    },
  },
  object: {
    options: ({ schema }) => ({ schema: schemas[schema] }),
    use: (react, options) => {
      const { object, submit, ...rest } = react.experimental_useObject(options);
      return { shown: object, ask: submit, ...rest };
    },
  },
};

/**
 * Asks once and returns what the hook showed. As soon as the text `stopAt` is shown, it is stopped; as
 * soon as `tellAt` is, the moment `shown` has come.
 */
export async function askOnce({ hook, release, url, input, chatId, headers, ...options }) {
  const { stopAt, tellAt } = options;
  const react = await loadReact(release.split('.')[0]);
  const transcript = new Transcript();
  const finishes = [];
  const { fetch } = transcript;
  const fixed = {
    ...{ api: url, headers, fetch, onError: transcript.callbacks.onError },
    ...hooks[hook].options(options),
    onFinish: (...event) => finishes.push(event),
  };
  const shown = [];
  const { promise, resolve, reject } = Promise.withResolvers();
  let current, asked, stopped, told;

  function App() {
    const helpers = hooks[hook].use(react, fixed);
    useEffect(() => {
      current = helpers;
      const text = JSON.stringify(helpers.shown ?? null);
      if (shown.at(-1) !== text) shown.push(text);
      if (stopAt && !stopped && text.includes(stopAt)) {
        stopped = true;
        helpers.stop();
      }
      if (tellAt && !told && text.includes(tellAt)) {
        told = true;
        void global.fetch(new URL(`/moments/shown/${chatId}`, url), { method: 'POST' });
      }
      if (!asked) {
        asked = true;
        void helpers.ask(input);
      } else if (transcript.requests.length && !helpers.isLoading && !transcript.pendingRequests.size) {
        // What is known by now may not be rendered yet.
        setTimeout(() => !current.isLoading && resolve(), 50);
      }
    });
    return null;
  }

  const timer = setTimeout(() => reject(new Error(`${hook} does not end: ${shown}`)), DEADLINE);
  const root = render(App);
  try {
    await promise;
    const { requests, errors } = transcript;
    const value = current.shown ?? null;
    return { value, shown, error: describeError(current.error), requests, errors, finishes };
  } finally {
    clearTimeout(timer);
    root.unmount();
  }
}
