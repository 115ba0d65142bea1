import { memo, type ComponentProps } from 'react';
import ReactMarkdown, { type Components } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import remend from 'remend';
import { splitBlocks } from './blocks';
import { CodeBlock } from './CodeBlock';

type Props = { text: string; streaming: boolean };

/** A model's Markdown. Only its last block is parsed again while it streams. */
export function Markdown({ text, streaming }: Props) {
  const blocks = splitBlocks(text);
  return (
    <div className="markdown">
      {blocks.map((block, index) => (
        // What is opened and not closed yet (`**bo`) is closed for the while.
        <Block key={index} text={streaming && index === blocks.length - 1 ? remend(block) : block} />
      ))}
    </div>
  );
}

const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS}>
      {text}
    </ReactMarkdown>
  );
});

const PLUGINS = [remarkGfm];

const COMPONENTS: Components = {
  pre: CodeBlock,
  a: Link,
  table: ({ node: _, ...props }) => (
    // Focusable, so that a wide table scrolls by keyboard.
    <div className="table" tabIndex={0} role="region" aria-label="Table">
      <table {...props} />
    </div>
  ),
  // A picture's address would leave this machine: it is offered as a link.
  img: ({ src, alt }) => <Link href={src}>{alt || src}</Link>,
};

function Link({ node: _, ...props }: ComponentProps<'a'> & { node?: unknown }) {
  return <a {...props} target="_blank" rel="noopener noreferrer" />;
}
