import { type KeyboardEvent, useLayoutEffect, useRef, useState } from 'react';
import { SendIcon, StopIcon } from '../ui/icons';

type Props = { busy: boolean; onSend: (text: string) => void; onStop: () => void };

export function Composer({ busy, onSend, onStop }: Props) {
  const [text, setText] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);

  useLayoutEffect(() => {
    // As tall as its text; the style sheet sets the limit.
    const { current } = field;
    if (!current) return;
    current.style.height = 'auto';
    current.style.height = `${current.scrollHeight}px`;
  }, [text]);

  function send() {
    if (busy || !text.trim()) return;
    onSend(text);
    setText('');
    field.current?.focus();
  }

  function stop() {
    onStop();
    // The button that had the focus goes. (On a touch screen the keyboard would come up.)
    if (matchMedia('(pointer: fine)').matches) field.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent) {
    // While an input method composes a word, Enter belongs to it.
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    }
    if (event.key === 'Escape' && busy) stop();
  }

  return (
    <form
      className="composer"
      onSubmit={event => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        rows={1}
        autoFocus
        value={text}
        placeholder="Ask something"
        aria-label="Message"
        aria-describedby="keys"
        enterKeyHint="send"
        onChange={event => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {busy ? (
        <button type="button" className="round" aria-label="Stop" title="Stop (Esc)" onClick={stop}>
          <StopIcon />
        </button>
      ) : (
        <button type="submit" className="round" aria-label="Send" title="Send (Enter)" disabled={!text.trim()}>
          <SendIcon />
        </button>
      )}
      <p id="keys" className="hint">
        <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> starts a new line
      </p>
    </form>
  );
}
