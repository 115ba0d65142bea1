// One conversation with the AI SDK's server, its provider's answers read from a recording.
import { loadAi, loadAnthropic } from '../../../../clients/driver/releases.mjs';
import { appTool, converse } from '../../reference/conversation.mjs';

/** The newest release of each major. */
const RELEASES = { 6: '6.0.326', 7: '7.0.173' };

/** The model's name only decides defaults of the request. */
const MODEL = 'claude-sonnet-5-5';

/** What the provider answers when the recording is over. */
const NOTHING_MORE = [
  { type: 'message_start', message: { id: 'msg_end', usage: { input_tokens: 1 } } },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } },
  { type: 'message_stop' },
].map(event => JSON.stringify(event));

/** See `converse`. */
export async function translate({ major, responses, question, tools, output }) {
  const ai = await loadAi(RELEASES[major]);
  const { createAnthropic } = await loadAnthropic(major);
  const createModel = fetch => {
    const anthropic = createAnthropic({ apiKey: 'none', fetch });
    return { model: anthropic(MODEL), tools: declare(ai, anthropic, tools, output) };
  };
  return converse({ ai, createModel, nothingMore: NOTHING_MORE, responses, question });
}

/** The tools of a request: the provider's by the factory that makes them, the others the app's. */
function declare(ai, anthropic, tools, output) {
  return Object.fromEntries(
    Object.entries(tools).map(([name, { factory, args, run }]) => {
      const own = appTool(ai, name, output);
      if (!factory) return [name, own];
      const tool = anthropic.tools[factory](args);
      return [name, run ? { ...tool, execute: own.execute } : tool];
    }),
  );
}
