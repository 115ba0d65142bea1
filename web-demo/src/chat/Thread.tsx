import { type ReactNode } from 'react';
import { DownIcon } from '../ui/icons';
import { useStickToEnd } from './useStickToEnd';

/** The messages, scrolled along with the answer unless the reader scrolled away. */
export function Thread({ busy, children }: { busy: boolean; children: ReactNode }) {
  const { viewport, content, atEnd, scrollToEnd } = useStickToEnd();
  return (
    <div className="thread">
      {/* Focusable, so that it scrolls by keyboard. */}
      <div className="viewport" ref={viewport} tabIndex={0} aria-label="Conversation" role="region">
        {/* Busy: a screen reader reads an answer when it is whole, not letter by letter. */}
        <div className="messages" ref={content} role="log" aria-live="polite" aria-busy={busy}>
          {children}
        </div>
      </div>
      <p className="visually-hidden" role="status">
        {busy ? 'Answering' : ''}
      </p>
      {!atEnd && (
        <button type="button" className="to-end" aria-label="Scroll to the end" onClick={scrollToEnd}>
          <DownIcon />
        </button>
      )}
    </div>
  );
}
