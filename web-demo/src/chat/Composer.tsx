import type { FileUIPart } from 'ai';
import { type ClipboardEvent, type KeyboardEvent, useRef, useState } from 'react';
import { AttachmentPreviews } from '../attachments/AttachmentPreviews';
import type { Attachments } from '../attachments/useAttachments';
import { AutosizeTextarea } from '../ui/AutosizeTextarea';
import { AttachIcon, SendIcon, StopIcon } from '../ui/icons';

type Props = {
  busy: boolean;
  attachments: Attachments;
  onSend: (text: string, files: FileUIPart[]) => void;
  onStop: () => void;
  onEditLast: () => void;
};

/** The form to write a message, attach files, send, and stop the response. */
export function Composer({ busy, attachments, onSend, onStop, onEditLast }: Props) {
  const [text, setText] = useState('');
  const textarea = useRef<HTMLTextAreaElement>(null);
  const fileInput = useRef<HTMLInputElement>(null);
  const isEmpty = !text.trim() && attachments.items.length === 0;

  function send() {
    if (busy || isEmpty) return;
    const files = attachments.items.map(item => item.part);
    onSend(text, files);
    setText('');
    attachments.clear();
    textarea.current?.focus();
  }

  function stop() {
    onStop();
    // The Stop button disappears and takes the focus with it. (On a touch screen, focusing the
    // textarea would open the keyboard.)
    if (matchMedia('(pointer: fine)').matches) textarea.current?.focus();
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
        <AttachmentPreviews {...attachments} />
        <AutosizeTextarea
          textareaRef={textarea}
          label="Message"
          value={text}
          placeholder="Send a message"
          describedBy="composer-hint"
          onChange={setText}
          onEnter={send}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
        />
        <div className="composer-buttons">
          <input
            ref={fileInput}
            type="file"
            multiple
            hidden
            onChange={event => {
              void attachments.add(event.target.files ?? []);
              // Reset, so that the same file can be selected again.
              event.target.value = '';
            }}
          />
          <button
            type="button"
            className="icon-button"
            aria-label="Attach files"
            title="Attach files"
            onClick={() => fileInput.current?.click()}
          >
            <AttachIcon />
          </button>
          {busy ? (
            <button
              type="button"
              className="round-button"
              aria-label="Stop"
              title="Stop (Esc)"
              onClick={stop}
            >
              <StopIcon />
            </button>
          ) : (
            <button
              type="submit"
              className="round-button"
              aria-label="Send"
              title="Send (Enter)"
              disabled={isEmpty}
            >
              <SendIcon />
            </button>
          )}
        </div>
      </div>
      <p id="composer-hint" className="composer-hint">
        <kbd>Enter</kbd> to send, <kbd>Shift</kbd> <kbd>Enter</kbd> for a new line
      </p>
    </form>
  );
}
