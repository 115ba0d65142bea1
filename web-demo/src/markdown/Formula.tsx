import katex from 'katex';
import 'katex/dist/katex.min.css';
import { useLayoutEffect, useRef } from 'react';

type Props = { tex: string; display: boolean };

/** A formula, drawn by KaTeX; what it cannot read stays as it was written, in red. */
export default function Formula({ tex, display }: Props) {
  const place = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    // Into the document, not as a text of HTML: a strict style policy allows the former only.
    if (place.current)
      katex.render(tex, place.current, { displayMode: display, throwOnError: false });
  }, [tex, display]);
  // Focusable where it may be wider than the page, so that it scrolls by keyboard.
  const scrolls = { className: 'formula', tabIndex: 0, role: 'region', 'aria-label': 'Formula' };
  return <span ref={place} {...(display && scrolls)} />;
}
