import { type ComponentProps, lazy, Suspense } from 'react';
import type { ExtraProps } from 'react-markdown';
import { classNamesOf, textContentOf } from './hast';

const Formula = lazy(() => import('./Formula'));

/** Inline code, or an inline formula, which remark-math passes on as code. */
export function InlineCode({ node, ...props }: ComponentProps<'code'> & ExtraProps) {
  if (!node || !classNamesOf(node).includes('math-inline')) return <code {...props} />;
  const tex = textContentOf(node);
  return (
    <Suspense fallback={<code>{tex}</code>}>
      <Formula tex={tex} display={false} />
    </Suspense>
  );
}
