import type { FileUIPart } from 'ai';
import { type KeyboardEvent, useState } from 'react';
import { AutosizeTextarea } from '../ui/AutosizeTextarea';
import { useChatActions } from './chatActions';

type Props = { messageId: string; initialText: string; files: FileUIPart[] };

/** A form to edit a user message. Sending it replaces the message and all that followed it. */
export function EditMessageForm({ messageId, initialText, files }: Props) {
  const { setEditingId, resend } = useChatActions();
  const [text, setText] = useState(initialText);

  function send() {
    if (text.trim()) resend(messageId, text, files);
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === 'Escape') {
      // Without this, the shortcut for Escape would also stop a response.
      event.stopPropagation();
      setEditingId(null);
    }
  }

  return (
    <form
      className="edit-form"
      aria-label="Edit message"
      onSubmit={event => {
        event.preventDefault();
        send();
      }}
    >
      <AutosizeTextarea
        label="Edit message"
        value={text}
        onChange={setText}
        onEnter={send}
        onKeyDown={onKeyDown}
        cursorAtEnd
      />
      <div className="buttons">
        <button type="button" className="ghost" onClick={() => setEditingId(null)}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={!text.trim()}>
          Send
        </button>
      </div>
    </form>
  );
}
