// The reference: what the AI SDK's own server makes of recorded responses of a provider.
// A JSON command a line in, a JSON answer a line out, in the same order.
//
//   {"id": 1, "command": "translate", "api": "openai-chat", "responses": [["{…}", …], …],
//    "question": {…}, "tools": ["weather"], "output": "done"}
import { createInterface } from 'node:readline';

import { translate } from './translate.mjs';

const commands = { translate };

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...options } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await commands[command](options) };
  } catch (error) {
    answer = { error: error.stack };
  }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
}
