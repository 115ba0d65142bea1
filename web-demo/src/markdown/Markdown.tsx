import { type ComponentProps, memo } from 'react';
import ReactMarkdown, { type Components, type ExtraProps } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import remarkMath from 'remark-math';
import remend from 'remend';
import { Citation } from '../message/Citation';
import { CodeBlock } from './CodeBlock';
import { InlineCode } from './InlineCode';
import { splitBlocks } from './splitBlocks';

type Props = { text: string; streaming: boolean };

/** A model's Markdown. While it streams, only the last block is parsed again. */
export default function Markdown({ text, streaming }: Props) {
  const blocks = splitBlocks(text);
  return (
    <div className="markdown">
      {blocks.map((block, index) => (
        // `remend` closes what is still open at the end of the text, such as `**bo`.
        <Block
          key={index}
          text={streaming && index === blocks.length - 1 ? remend(block, REMEND_OPTIONS) : block}
        />
      ))}
    </div>
  );
}

const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={REMARK_PLUGINS} components={COMPONENTS}>
      {text}
    </ReactMarkdown>
  );
});

const REMEND_OPTIONS = { linkMode: 'text-only' } as const;

// Two dollar signs delimit maths, inline too: a single one is usually an amount of money.
const REMARK_PLUGINS = [
  remarkGfm,
  [remarkMath, { singleDollarTextMath: false }],
] satisfies ComponentProps<typeof ReactMarkdown>['remarkPlugins'];

const COMPONENTS: Components = {
  pre: CodeBlock,
  code: InlineCode,
  a: Link,
  table: ({ node: _, ...props }) => (
    // Focusable, so that a wide table can be scrolled with the keyboard.
    <div className="table" tabIndex={0} role="region" aria-label="Table">
      <table {...props} />
    </div>
  ),
  // Loading an image would send a request to another host, so it becomes a link.
  img: ({ src, alt }) => <Link href={src}>{alt || src}</Link>,
};

function Link({ node: _, ...props }: ComponentProps<'a'> & ExtraProps) {
  const [, number] = /^#source-(\d+)$/.exec(props.href ?? '') ?? [];
  if (number) return <Citation number={Number(number)} />;
  return <a {...props} target="_blank" rel="noopener noreferrer" />;
}
