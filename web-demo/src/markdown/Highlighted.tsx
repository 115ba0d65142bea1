import { toJsxRuntime } from 'hast-util-to-jsx-runtime';
import { common, createLowlight } from 'lowlight';
import { useMemo } from 'react';
import { Fragment, jsx, jsxs } from 'react/jsx-runtime';
import '../styles/code.css';

const lowlight = createLowlight(common);

type Props = { code: string; language: string };

/** Code in colours, which are classes: no style of its own, so that the page may forbid those. */
export default function Highlighted({ code, language }: Props) {
  return useMemo(() => {
    if (!lowlight.registered(language)) return code;
    return toJsxRuntime(lowlight.highlight(language, code), { Fragment, jsx, jsxs });
  }, [code, language]);
}
