import { type ComponentProps, lazy, Suspense } from 'react';
import type { ExtraProps } from 'react-markdown';
import { CopyButton } from '../ui/CopyButton';
import { classNamesOf, textContentOf } from './hast';

const Formula = lazy(() => import('./Formula'));
const HighlightedCode = lazy(() => import('./HighlightedCode'));

/** A fenced code block with its language and a copy button, or a display formula. */
export function CodeBlock({ node, children }: ComponentProps<'pre'> & ExtraProps) {
  const code = node?.children[0];
  if (code?.type !== 'element') return <pre>{children}</pre>;
  const text = textContentOf(code);
  const classNames = classNamesOf(code);
  if (classNames.includes('math-display')) {
    return (
      <Suspense fallback={<pre>{text}</pre>}>
        <Formula tex={text} display />
      </Suspense>
    );
  }
  const language = classNames.find(name => name.startsWith('language-'))?.slice('language-'.length);
  return (
    <figure className="code-block">
      <figcaption>
        <span>{language ?? 'text'}</span>
        <CopyButton text={text} />
      </figcaption>
      {/* Focusable, so that long lines can be scrolled with the keyboard. */}
      <pre tabIndex={0}>
        <code>
          {language ? (
            <Suspense fallback={text}>
              <HighlightedCode code={text} language={language} />
            </Suspense>
          ) : (
            text
          )}
        </code>
      </pre>
    </figure>
  );
}
