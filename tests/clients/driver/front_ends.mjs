// What frontends that others wrote add to useChat, as options of a client. They name no version.
import { z } from 'zod';

/** The bodies that `prepareSendMessagesRequest` makes of a request, by what they contain. */
const bodies = {
  /** The newest message: the server has the rest. A regeneration only names the message. */
  newest: ({ id, messages, trigger, messageId, body }) =>
    trigger === 'regenerate-message'
      ? { ...body, id, trigger, messageId }
      : { ...body, id, trigger, messageId, message: messages.at(-1) },

  /** The newest message of the user, but the whole history after a decision; no trigger. */
  newestOrAll: ({ id, messages, body }) =>
    messages.at(-1).role === 'user'
      ? { ...body, id, message: messages.at(-1) }
      : { ...body, id, messages },

  /** The whole history and what else the page knows, some of it undefined. */
  all: ({ id, messages, trigger, messageId, body, requestMetadata }) => ({
    ...{ callSettings: undefined, system: undefined, config: {}, tools: {}, ...body },
    ...{ id, messages, trigger, messageId, metadata: requestMetadata },
  }),
};

/** Options of the transport. */
export function transportOptions({ sends, body } = {}) {
  const prepare = request => ({ body: bodies[sends](request) });
  return {
    ...(body ? { body: () => body } : {}),
    ...(sends ? { prepareSendMessagesRequest: prepare } : {}),
  };
}

/** Options of the chat. */
export function chatSchemas({ requiredMetadata } = {}) {
  if (!requiredMetadata) return {};
  const field = [requiredMetadata, z.number()];
  return { messageMetadataSchema: z.object(Object.fromEntries([field])) };
}
