import { type ComponentProps, memo } from 'react';
import ReactMarkdown, { type Components, type ExtraProps } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import remarkMath from 'remark-math';
import remend from 'remend';
import { SourceMark } from '../message/SourceMark';
import { splitBlocks } from './blocks';
import { CodeBlock } from './CodeBlock';
import { MathOrCode } from './MathOrCode';

type Props = { text: string; streaming: boolean };

/** A model's Markdown. Only its last block is parsed again while it streams. */
export default function Markdown({ text, streaming }: Props) {
  const blocks = splitBlocks(text);
  return (
    <div className="markdown">
      {blocks.map((block, index) => (
        // What is opened and not closed yet (`**bo`) is closed for the while.
        <Block
          key={index}
          text={streaming && index === blocks.length - 1 ? remend(block, UNFINISHED) : block}
        />
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

const UNFINISHED = { linkMode: 'text-only' } as const;

// One dollar sign is money, two are maths, also within a line.
const PLUGINS = [remarkGfm, [remarkMath, { singleDollarTextMath: false }]] satisfies ComponentProps<
  typeof ReactMarkdown
>['remarkPlugins'];

const COMPONENTS: Components = {
  pre: CodeBlock,
  code: MathOrCode,
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

function Link({ node: _, ...props }: ComponentProps<'a'> & ExtraProps) {
  const [, number] = /^#source-(\d+)$/.exec(props.href ?? '') ?? [];
  if (number) return <SourceMark number={Number(number)} />;
  return <a {...props} target="_blank" rel="noopener noreferrer" />;
}
