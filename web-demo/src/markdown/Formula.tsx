import katex from 'katex';
import 'katex/dist/katex.min.css';
import { useLayoutEffect, useRef } from 'react';

type Props = { tex: string; display: boolean };

/** A formula rendered by KaTeX. TeX that KaTeX cannot parse is shown as text. */
export default function Formula({ tex, display }: Props) {
  const container = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (container.current) renderFormula(tex, display, container.current);
  }, [tex, display]);
  // A display formula may be too wide: focusable, so that it can be scrolled with the keyboard.
  const scrollProps = {
    className: 'formula',
    tabIndex: 0,
    role: 'region',
    'aria-label': 'Formula',
  };
  return <span ref={container} {...(display && scrollProps)} />;
}

function renderFormula(tex: string, displayMode: boolean, container: HTMLElement) {
  const previousNodes = [...container.childNodes];
  try {
    // Rendered into the DOM instead of an HTML string: a strict style policy blocks the latter.
    katex.render(tex, container, { displayMode });
  } catch {
    // While a formula streams, its last valid rendering is the best preview.
    container.replaceChildren(...(previousNodes.length > 0 ? previousNodes : [tex]));
  }
}
