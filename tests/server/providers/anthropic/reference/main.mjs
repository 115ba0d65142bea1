// The reference: what the AI SDK's own server makes of recorded answers of the Messages API.
// A JSON command a line in, a JSON answer a line out, in the same order.
//
//   {"id": 1, "command": "translate", "major": 7, "responses": [["{…}", …], …], "question": {…},
//    "tools": {"weather": {}, "web_search": {"factory": "webSearch_20250305", "args": {}}},
//    "output": "done"}
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
