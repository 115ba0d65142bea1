// How often published clients that continue automatically ask a server that always answers the same,
// for tests of the protocol library: a JSON command a line in, a JSON answer a line out.
import { createInterface } from 'node:readline';

import { loadAi, predicates } from '../../clients/driver/releases.mjs';
import { State, question } from './state.mjs';

/** After so many a client would go on forever. */
const ENOUGH = 3;

async function requests(release, body, message) {
  const ai = await loadAi(release);
  class Chat extends ai.AbstractChat {}
  const continues = Object.values(predicates(ai));
  let asked = 0;
  const chat = new Chat({
    state: new State(message ? [question, message] : [question]),
    generateId: () => 'generated',
    sendAutomaticallyWhen: chat => asked < ENOUGH && continues.some(predicate => predicate(chat)),
    transport: new ai.DefaultChatTransport({
      api: 'http://127.0.0.1/',
      fetch: async () => {
        asked += 1;
        return new Response(body);
      },
    }),
  });
  await chat.sendMessage();
  return asked;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, bodies, message } = JSON.parse(line);
  let answer;
  try {
    const counts = {};
    for (const [release, body] of Object.entries(bodies)) {
      counts[release] = await requests(release, body, message && structuredClone(message));
    }
    answer = { result: counts };
  } catch (error) {
    answer = { error: error.stack };
  }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
}
