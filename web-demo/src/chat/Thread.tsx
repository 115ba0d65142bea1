import type { ReactNode } from 'react';
import { DownIcon } from '../ui/icons';
import { useStickToEnd } from './useStickToEnd';

type Props = {
  busy: boolean;
  /** what a screen reader shall say of the state */
  news: string;
  children: ReactNode;
};

/** The messages, scrolled along with the answer unless the reader scrolled away. */
export function Thread({ busy, news, children }: Props) {
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
        {news}
      </p>
      {!atEnd && (
        <button
          type="button"
          className="to-end"
          aria-label="Scroll to the end"
          onClick={scrollToEnd}
        >
          <DownIcon />
        </button>
      )}
    </div>
  );
}
