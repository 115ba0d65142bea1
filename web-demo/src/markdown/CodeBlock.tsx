import type { ReactNode } from 'react';
import { CopyButton } from '../ui/CopyButton';

type Code = { type: 'text'; value: string };
type Node = { children: { properties?: { className?: unknown }; children?: unknown[] }[] };
type Props = { children?: ReactNode; node?: unknown };

/** A fenced block with its language and a button that copies it. */
export function CodeBlock({ node, children }: Props) {
  const code = (node as Node).children[0];
  const text = (code?.children?.[0] as Code | undefined)?.value ?? '';
  const language = /language-(\S+)/.exec(String(code?.properties?.className ?? ''))?.[1];
  return (
    <figure className="code">
      <figcaption>
        <span>{language ?? 'text'}</span>
        <CopyButton text={text} />
      </figcaption>
      {/* Focusable, so that a long line scrolls by keyboard. */}
      <pre tabIndex={0}>{children}</pre>
    </figure>
  );
}
