// The published packages by release. They are installed as `ai-5.0.0`, `react-7` and so on, each
// with the dependencies that it was published with.

export const loadAi = release => import(`ai-${release}`);

export const loadReact = major => import(`react-${major}`);

/** The provider that was published for the newest release of a major. */
export const loadAnthropic = major => import(`anthropic-${major}`);

/** The clients' own "continue automatically" predicates that a release has, by what they wait for. */
export function predicates(ai) {
  const known = {
    tools: ai.lastAssistantMessageIsCompleteWithToolCalls,
    approvals: ai.lastAssistantMessageIsCompleteWithApprovalResponses,
  };
  return Object.fromEntries(Object.entries(known).filter(([, predicate]) => predicate));
}
