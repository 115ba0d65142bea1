import type { FileUIPart } from 'ai';
import { readAttachment } from '../attachments/attachment';
import { SUGGESTED_PROMPTS, type SuggestedPrompt } from './suggestedPrompts';

type Props = { onSend: (text: string, files: FileUIPart[]) => void };

/** A chat without messages: a heading and suggested prompts, all of which work without an API key. */
export function EmptyChat({ onSend }: Props) {
  async function send({ text, file }: SuggestedPrompt) {
    onSend(text, file ? [(await readAttachment(file())).part] : []);
  }
  return (
    <section className="empty-chat" aria-labelledby="welcome">
      <h2 id="welcome">Chat with a Python backend</h2>
      <p>The published useChat hook in your browser, usechat-server behind it. Try one of these:</p>
      <ul className="suggested-prompts">
        {SUGGESTED_PROMPTS.map(prompt => (
          <li key={prompt.title}>
            <button type="button" onClick={() => void send(prompt)}>
              <strong>{prompt.title}</strong>
              <span>{prompt.text}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
