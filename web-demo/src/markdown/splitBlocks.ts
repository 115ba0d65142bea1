/** Opens or closes a code block or a display formula. */
const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,}|\${2,}(?=[^$]*$))(.*)$/;
/** An unindented line that cannot continue a list or a quote above it. */
const NEW_BLOCK = /^(?![-+*>]|\d+[.)])\S/;
/** A definition that other blocks may refer to: `[1]: https://…`, `[^1]: a footnote`. */
const DEFINITION = /^ {0,3}\[[^\]]+\]:/m;

/**
 * Split Markdown at blank lines into blocks that can be parsed one by one, so that a delta costs the
 * same however long the text is. A text is not split where that might change its meaning.
 */
export function splitBlocks(text: string): string[] {
  if (DEFINITION.test(text)) return [text];
  const blocks: string[] = [];
  let blockLines: string[] = [];
  let openFence = '';
  for (const line of text.split('\n')) {
    if (!openFence && blockLines.at(-1)?.trim() === '' && NEW_BLOCK.test(line)) {
      blocks.push(blockLines.join('\n'));
      blockLines = [];
    }
    const [, fence = '', rest = ''] = FENCE.exec(line) ?? [];
    if (!openFence) openFence = fence;
    else if (fence.startsWith(openFence) && !rest.trim()) openFence = '';
    blockLines.push(line);
  }
  blocks.push(blockLines.join('\n'));
  return blocks;
}
