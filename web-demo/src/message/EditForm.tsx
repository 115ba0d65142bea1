import type { FileUIPart } from 'ai';
import { type KeyboardEvent, useState } from 'react';
import { GrowingField } from '../ui/GrowingField';
import { useActions } from './useActions';

type Props = { id: string; text: string; files: FileUIPart[] };

/** Changes a question. What came after it is dropped when it is sent. */
export function EditForm({ id, text: before, files }: Props) {
  const { edit, save } = useActions();
  const [text, setText] = useState(before);

  function send() {
    if (text.trim()) save(id, text, files);
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === 'Escape') {
      // Else it would stop an answer, too.
      event.stopPropagation();
      edit(null);
    }
  }

  return (
    <form
      className="edit"
      aria-label="Edit your question"
      onSubmit={event => {
        event.preventDefault();
        send();
      }}
    >
      <GrowingField
        label="Your question"
        value={text}
        onChange={setText}
        onEnter={send}
        onKeyDown={onKeyDown}
        selectEnd
      />
      <div className="buttons">
        <button type="button" className="quiet" onClick={() => edit(null)}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={!text.trim()}>
          Send
        </button>
      </div>
    </form>
  );
}
