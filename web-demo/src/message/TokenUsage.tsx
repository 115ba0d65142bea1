import type { MessageMetadata } from '../messageTypes';

/** The token usage of a response, summed over its steps. */
export function TokenUsage({ metadata }: { metadata: MessageMetadata | undefined }) {
  const { inputTokens, outputTokens, steps = [] } = metadata?.usage ?? {};
  if (inputTokens === undefined && outputTokens === undefined) return null;
  const model = steps.at(-1)?.model;
  return (
    <p className="token-usage">
      {model && <span>{model}</span>}
      <span>{(inputTokens ?? 0).toLocaleString('en')} input tokens</span>
      <span>{(outputTokens ?? 0).toLocaleString('en')} output tokens</span>
      {steps.length > 1 && <span>{steps.length} steps</span>}
    </p>
  );
}
