import type { DemoMessage } from '../messageTypes';

/** Return the text of a message, for copying and editing. */
export function messageText(message: DemoMessage): string {
  return message.parts
    .flatMap(part => (part.type === 'text' ? part.text : []))
    .join(message.role === 'user' ? '\n' : '\n\n');
}
