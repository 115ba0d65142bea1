// A client with React: the real useChat hook of the newest release of a major, rendered by react-dom.
import { EventEmitter, on } from 'node:events';

import { chatOptions } from './client.mjs';
import { render, useEffect, useState } from './dom.mjs';
import { loadAi, loadReact } from './releases.mjs';

export async function openHook(transcript, { release, messages, resume = false, ...options }) {
  const ai = await loadAi(release);
  const { useChat } = await loadReact(release.split('.')[0]);
  const rendered = new EventEmitter();
  let chat, setTurn;

  let turns = 0;
  const fixed = { ...chatOptions(ai, transcript, options, () => chat), messages, resume };
  function App() {
    const helpers = useChat(fixed);
    const [turn, set] = useState(0);
    useEffect(() => {
      chat = helpers;
      setTurn = set;
      transcript.status(helpers.status);
      rendered.emit('change', turn);
    });
    return null;
  }

  const mounted = new Promise(resolve => rendered.once('change', resolve));
  const root = render(App);
  await mounted;
  return {
    /** Whether it looks for a run to resume by itself. */
    resumes: resume,
    // Always what was rendered last.
    chat: new Proxy({}, { get: (_, name) => chat[name] }),
    onChange: callback => rendered.on('change', callback),
    /** Until everything that is known by now is rendered. */
    turn: async () => {
      await new Promise(setImmediate);
      const wanted = ++turns;
      setTurn(wanted);
      for await (const [turn] of on(rendered, 'change')) if (turn === wanted) return;
    },
    close: () => root.unmount(),
  };
}
