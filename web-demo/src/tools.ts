import type { UIDataTypes, UIMessage } from 'ai';

type BrowserTime = {
  input: { clock: '12-hour' | '24-hour' };
  output: { time: string; date: string; zone: string };
};

/** The tools that this page answers, as the server's default agent declares them. */
export type DemoTools = { browser_time: BrowserTime };

/** What the server tells of an answer beside its parts. */
export type Metadata = {
  usage?: { inputTokens?: number; outputTokens?: number; steps?: { model?: string }[] };
  /** how it ended */
  outcome?: 'finished' | 'waiting' | 'aborted' | 'interrupted' | 'failed';
  /** when, in seconds since the server took the turn; the wire drawer has its own times beside */
  seconds?: { called?: number; first_read?: number; first_token?: number; last_read?: number };
};

export type DemoMessage = UIMessage<Metadata, UIDataTypes, DemoTools>;
export type Part = DemoMessage['parts'][number];

type Call = {
  [Name in keyof DemoTools]: {
    toolName: Name;
    toolCallId: string;
    input: DemoTools[Name]['input'];
  };
}[keyof DemoTools];

/** The answer to a call, as `addToolOutput` takes it; undefined for tools that others answer. */
export function runTool({ toolName, toolCallId, input }: Call) {
  switch (toolName) {
    case 'browser_time':
      return { tool: toolName, toolCallId, output: browserTime(input) };
    default:
      // The server's own: its output comes with the stream.
      return undefined;
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
