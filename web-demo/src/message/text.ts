import type { DemoMessage } from '../tools';

/** The text of a message, as one copies it. */
export function textOf(message: DemoMessage): string {
  return message.parts
    .flatMap(part => (part.type === 'text' ? part.text : []))
    .join(message.role === 'user' ? '\n' : '\n\n');
}
