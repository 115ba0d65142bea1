// A finished stream, read by a release's own transport and chat.
import { loadAi, predicates } from './releases.mjs';
import { openClient } from './client.mjs';
import { Transcript, describeError } from './transcript.mjs';

/**
 * What a release makes of the bytes of one response.
 *
 * `message` is the assistant message that the stream continues, if any. The result holds the error
 * on which the client stopped (a chunk it does not accept, or an `error` chunk's text), the final
 * assistant message, and which predicates would send another request.
 */
export async function validate({ release, body, message }) {
  const transcript = new Transcript();
  transcript.fetch = async () => new Response(body);
  const question = { id: 'question', role: 'user', parts: [{ type: 'text', text: 'Hello' }] };
  const { chat } = await openClient(transcript, {
    release,
    url: 'http://127.0.0.1/',
    requestLimit: 0,
    messages: message ? [question, message] : [question],
  });
  await chat.sendMessage();
  const { messages, error } = chat;
  const known = predicates(await loadAi(release));
  return {
    error: describeError(error),
    message: messages.at(-1).role === 'assistant' ? messages.at(-1) : null,
    messageCount: messages.length,
    again: Object.keys(known).filter(name => known[name]({ messages })),
  };
}
