import type { ReactNode } from 'react';
import { ArrowDownIcon } from '../ui/icons';
import { useStickToBottom } from './useStickToBottom';

type Props = {
  busy: boolean;
  /** announced to screen readers when it changes */
  status: string;
  children: ReactNode;
};

/** The messages in a viewport that follows a streaming response until the user scrolls up. */
export function MessageList({ busy, status, children }: Props) {
  const { viewport, content, isAtBottom, scrollToBottom } = useStickToBottom();
  return (
    <div className="message-list">
      {/* Focusable, so that it can be scrolled with the keyboard. */}
      <div className="viewport" ref={viewport} tabIndex={0} aria-label="Conversation" role="region">
        {/* While this is busy, screen readers wait; then they read the whole response. */}
        <div className="messages" ref={content} role="log" aria-live="polite" aria-busy={busy}>
          {children}
        </div>
      </div>
      <p className="visually-hidden" role="status">
        {status}
      </p>
      {!isAtBottom && (
        <button
          type="button"
          className="scroll-to-bottom"
          aria-label="Scroll to bottom"
          onClick={scrollToBottom}
        >
          <ArrowDownIcon />
        </button>
      )}
    </div>
  );
}
