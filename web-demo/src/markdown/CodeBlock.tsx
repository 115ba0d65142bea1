import { type ComponentProps, lazy, Suspense } from 'react';
import type { ExtraProps } from 'react-markdown';
import { CopyButton } from '../ui/CopyButton';
import { classesOf, textOf } from './hast';

const Formula = lazy(() => import('./Formula'));
const Highlighted = lazy(() => import('./Highlighted'));

/** A fenced block with its language and a button that copies it; or a formula on lines of its own. */
export function CodeBlock({ node, children }: ComponentProps<'pre'> & ExtraProps) {
  const code = node?.children[0];
  if (code?.type !== 'element') return <pre>{children}</pre>;
  const text = textOf(code);
  const classes = classesOf(code);
  if (classes.includes('math-display')) {
    return (
      <Suspense fallback={<pre>{text}</pre>}>
        <Formula tex={text} display />
      </Suspense>
    );
  }
  const language = classes.find(name => name.startsWith('language-'))?.slice('language-'.length);
  return (
    <figure className="code">
      <figcaption>
        <span>{language ?? 'text'}</span>
        <CopyButton text={text} />
      </figcaption>
      {/* Focusable, so that a long line scrolls by keyboard. */}
      <pre tabIndex={0}>
        <code>
          {language ? (
            <Suspense fallback={text}>
              <Highlighted code={text} language={language} />
            </Suspense>
          ) : (
            text
          )}
        </code>
      </pre>
    </figure>
  );
}
