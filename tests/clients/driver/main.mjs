// Drives published clients for a test: a JSON command a line in, a JSON response a line out.
//
//   {"id": 1, "command": "chat", "release": "5.0.0", "url": "http://…/api/chat", "actions": […]}
//   {"id": 1, "result": {…}}   or   {"id": 1, "error": "…"}
//
// Commands run side by side; responses come in the order in which they are ready.
import { createInterface } from 'node:readline';

import { Actions } from './actions.mjs';
import { openClient } from './client.mjs';
import { validate } from './validate.mjs';

const commands = {
  /** A whole conversation; its transcript. `hook` renders the real useChat. */
  async chat({ hook = false, actions, ...options }) {
    const open = hook ? (await import('./hook.mjs')).openHook : openClient;
    const user = new Actions(open, options);
    try {
      await user.run(actions);
      return user.result();
    } catch (error) {
      const { status, messages, requests } = user.result();
      error.stack += `\n${JSON.stringify({ status, messages, requests: requests.length })}`;
      throw error;
    } finally {
      user.close();
    }
  },

  /** One question through a hook that has no chat; what it showed. */
  ask: async options => (await import('./one_shot.mjs')).askOnce(options),

  /** Many finished streams at once: [{release, body, message?}, …]. */
  validate: ({ streams }) => Promise.all(streams.map(validate)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...options } = JSON.parse(line);
  const respond = outcome => process.stdout.write(`${JSON.stringify({ id, ...outcome })}\n`);
  Promise.resolve(options)
    .then(commands[command])
    .then(
      result => respond({ result }),
      error => respond({ error: error.stack }),
    );
}
