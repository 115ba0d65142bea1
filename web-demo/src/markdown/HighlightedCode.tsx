import { toJsxRuntime } from 'hast-util-to-jsx-runtime';
import { common, createLowlight } from 'lowlight';
import { useMemo } from 'react';
import { Fragment, jsx, jsxs } from 'react/jsx-runtime';
import '../styles/code.css';

const lowlight = createLowlight(common);

type Props = { code: string; language: string };

/** Code with syntax highlighting. Uses CSS classes only, since the policy blocks inline styles. */
export default function HighlightedCode({ code, language }: Props) {
  return useMemo(() => {
    if (!lowlight.registered(language)) return code;
    return toJsxRuntime(lowlight.highlight(language, code), { Fragment, jsx, jsxs });
  }, [code, language]);
}
