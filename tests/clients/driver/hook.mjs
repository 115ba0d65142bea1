// A page with React: the real useChat hook of the newest release of a major, rendered by react-dom.
import { EventEmitter } from 'node:events';

import { parseHTML } from 'linkedom';

import { chatOptions } from './page.mjs';
import { loadAi, loadReact } from './releases.mjs';

const { window } = parseHTML('<!doctype html><html><body></body></html>');
Object.assign(globalThis, { window, document: window.document });
const { createElement, useEffect } = await import('react');
const { createRoot } = await import('react-dom/client');

export async function openHook(transcript, { release, messages, resume = false, ...options }) {
  const ai = await loadAi(release);
  const { useChat } = await loadReact(release.split('.')[0]);
  const rendered = new EventEmitter();
  let chat;

  const fixed = { ...chatOptions(ai, transcript, options), messages, resume };
  function App() {
    const helpers = useChat(fixed);
    useEffect(() => {
      chat = helpers;
      transcript.status(helpers.status);
      rendered.emit('change');
    });
    return null;
  }

  const root = createRoot(document.createElement('div'));
  const mounted = new Promise(resolve => rendered.once('change', resolve));
  root.render(createElement(App));
  await mounted;
  return {
    // Always what was rendered last.
    chat: new Proxy({}, { get: (_, name) => chat[name] }),
    onChange: callback => rendered.on('change', callback),
    close: () => root.unmount(),
  };
}
