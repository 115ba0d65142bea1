/** Code, or a formula. */
const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,}|\${2,}(?=[^$]*$))(.*)$/;
/** Text at the margin that can't belong to a list or a quote begun above. */
const FRESH = /^(?![-+*>]|\d+[.)])\S/;
/** What other blocks refer to: `[1]: https://…`, `[^1]: a footnote`. */
const DEFINITION = /^ {0,3}\[[^\]]+\]:/m;

/**
 * Cuts Markdown at blank lines into blocks that can be parsed one by one, so that a long answer
 * costs no more per delta than a short one. Where a cut might change the meaning, there is none.
 */
export function splitBlocks(text: string): string[] {
  if (DEFINITION.test(text)) return [text];
  const blocks: string[] = [];
  let block: string[] = [];
  let fence = '';
  for (const line of text.split('\n')) {
    if (!fence && block.at(-1)?.trim() === '' && FRESH.test(line)) {
      blocks.push(block.join('\n'));
      block = [];
    }
    const [, marks = '', rest = ''] = FENCE.exec(line) ?? [];
    if (!fence) fence = marks;
    else if (marks.startsWith(fence) && !rest.trim()) fence = '';
    block.push(line);
  }
  blocks.push(block.join('\n'));
  return blocks;
}
