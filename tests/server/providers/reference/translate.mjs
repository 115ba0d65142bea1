// The models of the AI SDK whose conversations are compared with ours.
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import * as ai from 'ai';

import { appTool, converse } from './conversation.mjs';

/** What a server of Chat Completions sends when the recording is over. */
const NO_MORE_CHAT = [
  JSON.stringify({ choices: [{ index: 0, delta: { content: 'End.' }, finish_reason: 'stop' }] }),
];

const APIS = {
  'openai-chat': {
    create: fetch => createOpenAI({ apiKey: 'none', fetch }).chat('gpt-4.1'),
    nothingMore: NO_MORE_CHAT,
  },
  'openai-compatible': {
    create: fetch =>
      createOpenAICompatible({ name: 'google', baseURL: 'http://any', fetch })('any'),
    nothingMore: NO_MORE_CHAT,
  },
};

/** See `converse`. `api` is one of `APIS`, `tools` the names of the app's tools. */
export async function translate({ api, responses, question, tools, output }) {
  const { create, nothingMore } = APIS[api];
  const declared = Object.fromEntries(tools.map(name => [name, appTool(ai, name, output)]));
  const createModel = fetch => ({ model: create(fetch), tools: declared });
  return converse({ ai, createModel, nothingMore, responses, question });
}
