import type { FileUIPart } from 'ai';
import { attach } from '../attachments/files';
import { SUGGESTIONS, type Suggestion } from './suggested';

type Props = { onPick: (text: string, files: FileUIPart[]) => void };

/** An empty chat: what can be tried, without a key too. */
export function Suggestions({ onPick }: Props) {
  async function pick({ text, file }: Suggestion) {
    onPick(text, file ? [(await attach(file())).part] : []);
  }
  return (
    <section className="empty" aria-labelledby="welcome">
      <h2 id="welcome">Chat with a Python backend</h2>
      <p>This page is useChat as published, and usechat-server answers it. Try one of these:</p>
      <ul className="suggestions">
        {SUGGESTIONS.map(suggestion => (
          <li key={suggestion.title}>
            <button type="button" onClick={() => void pick(suggestion)}>
              <strong>{suggestion.title}</strong>
              <span>{suggestion.text}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
