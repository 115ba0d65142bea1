import type { UIDataTypes, UIMessage } from 'ai';

type BrowserTime = {
  input: { clock: '12-hour' | '24-hour' };
  output: { time: string; date: string; zone: string };
};

/** The tools that this page answers, as the server's default agent declares them. */
export type DemoTools = { browser_time: BrowserTime };

export type DemoMessage = UIMessage<unknown, UIDataTypes, DemoTools>;

type Call = {
  [Name in keyof DemoTools]: {
    toolName: Name;
    toolCallId: string;
    input: DemoTools[Name]['input'];
  };
}[keyof DemoTools];

/** The answer to a call, as `addToolOutput` takes it. */
export function runTool({ toolName, toolCallId, input }: Call) {
  switch (toolName) {
    case 'browser_time':
      return { tool: toolName, toolCallId, output: browserTime(input) };
    default:
      // The model may name a tool that only another page has.
      return {
        tool: toolName,
        toolCallId,
        state: 'output-error' as const,
        errorText: `This page has no tool named "${String(toolName)}".`,
      };
  }
}

function browserTime({ clock }: BrowserTime['input']): BrowserTime['output'] {
  const now = new Date();
  return {
    time: now.toLocaleTimeString('en', { timeStyle: 'short', hour12: clock === '12-hour' }),
    date: now.toLocaleDateString('en', { dateStyle: 'full' }),
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}
