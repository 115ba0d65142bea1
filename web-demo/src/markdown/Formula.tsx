import katex from 'katex';
import 'katex/dist/katex.min.css';
import { useLayoutEffect, useRef } from 'react';

type Props = { tex: string; display: boolean };

/** A formula, drawn by KaTeX; one that it cannot read stays as it is written. */
export default function Formula({ tex, display }: Props) {
  const place = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (place.current) draw(tex, display, place.current);
  }, [tex, display]);
  // Focusable where it may be wider than the page, so that it scrolls by keyboard.
  const scrolls = { className: 'formula', tabIndex: 0, role: 'region', 'aria-label': 'Formula' };
  return <span ref={place} {...(display && scrolls)} />;
}

function draw(tex: string, displayMode: boolean, place: HTMLElement) {
  const before = [...place.childNodes];
  try {
    // Into the document, not as a text of HTML: a strict style policy allows the former only.
    katex.render(tex, place, { displayMode });
  } catch {
    // Half of a formula: what there was of it a moment ago is nearer to what it will be.
    place.replaceChildren(...(before.length > 0 ? before : [tex]));
  }
}
