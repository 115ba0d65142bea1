import { type ComponentProps, lazy, Suspense } from 'react';
import type { ExtraProps } from 'react-markdown';
import { classesOf, textOf } from './hast';

const Formula = lazy(() => import('./Formula'));

/** Inline code, and what remark-math hands on as code: formulas. */
export function MathOrCode({ node, ...props }: ComponentProps<'code'> & ExtraProps) {
  if (!node || !classesOf(node).includes('math-inline')) return <code {...props} />;
  const tex = textOf(node);
  return (
    <Suspense fallback={<code>{tex}</code>}>
      <Formula tex={tex} display={false} />
    </Suspense>
  );
}
