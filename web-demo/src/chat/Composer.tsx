import type { FileUIPart } from 'ai';
import { type ClipboardEvent, type KeyboardEvent, useRef, useState } from 'react';
import { Previews } from '../attachments/Previews';
import type { Attachments } from '../attachments/useAttachments';
import { GrowingField } from '../ui/GrowingField';
import { AttachIcon, SendIcon, StopIcon } from '../ui/icons';

type Props = {
  busy: boolean;
  attachments: Attachments;
  onSend: (text: string, files: FileUIPart[]) => void;
  onStop: () => void;
  onEditLast: () => void;
};

/** Where one writes, attaches, sends, and stops. */
export function Composer({ busy, attachments, onSend, onStop, onEditLast }: Props) {
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const empty = !text.trim() && attachments.items.length === 0;

  function send() {
    if (busy || empty) return;
    const files = attachments.items.map(item => item.part);
    onSend(text, files);
    setText('');
    attachments.clear();
    field.current?.focus();
  }

  function stop() {
    onStop();
    // The button that had the focus goes. (On a touch screen the keyboard would come up.)
    if (matchMedia('(pointer: fine)').matches) field.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === 'ArrowUp' && !text && !busy) {
      event.preventDefault();
      onEditLast();
    }
  }

  function onPaste(event: ClipboardEvent) {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    void attachments.add(event.clipboardData.files);
  }

  return (
    <form
      className="composer"
      onSubmit={event => {
        event.preventDefault();
        send();
      }}
    >
      <div className="composer-box">
        <Previews {...attachments} />
        <GrowingField
          field={field}
          label="Message"
          value={text}
          placeholder="Ask something"
          describedBy="keys"
          onChange={setText}
          onEnter={send}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
        />
        <div className="composer-buttons">
          <input
            ref={picker}
            type="file"
            multiple
            hidden
            onChange={event => {
              void attachments.add(event.target.files ?? []);
              // So that the same file can be picked again.
              event.target.value = '';
            }}
          />
          <button
            type="button"
            className="icon-button"
            aria-label="Attach files"
            title="Attach files"
            onClick={() => picker.current?.click()}
          >
            <AttachIcon />
          </button>
          {busy ? (
            <button
              type="button"
              className="round"
              aria-label="Stop"
              title="Stop (Esc)"
              onClick={stop}
            >
              <StopIcon />
            </button>
          ) : (
            <button
              type="submit"
              className="round"
              aria-label="Send"
              title="Send (Enter)"
              disabled={empty}
            >
              <SendIcon />
            </button>
          )}
        </div>
      </div>
      <p id="keys" className="hint">
        <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> starts a new line
      </p>
    </form>
  );
}
