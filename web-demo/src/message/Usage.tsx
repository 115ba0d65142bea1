import type { Metadata } from '../tools';

/** What an answer cost: the tokens that went in and came out, over all its steps. */
export function Usage({ metadata }: { metadata: Metadata | undefined }) {
  const { inputTokens, outputTokens, steps = [] } = metadata?.usage ?? {};
  if (inputTokens === undefined && outputTokens === undefined) return null;
  const model = steps.at(-1)?.model;
  return (
    <p className="usage">
      {model && <span>{model}</span>}
      <span>{(inputTokens ?? 0).toLocaleString('en')} tokens in</span>
      <span>{(outputTokens ?? 0).toLocaleString('en')} out</span>
      {steps.length > 1 && <span>{steps.length} steps</span>}
    </p>
  );
}
