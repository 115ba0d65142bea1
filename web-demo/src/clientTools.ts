type BrowserTime = {
  input: { clock: '12-hour' | '24-hour' };
  output: { time: string; date: string; zone: string };
};

/** The tools that run in the browser, as the server's demo agent declares them. */
export type ClientTools = { browser_time: BrowserTime };

type ClientToolCall = {
  [Name in keyof ClientTools]: {
    toolName: Name;
    toolCallId: string;
    input: ClientTools[Name]['input'];
  };
}[keyof ClientTools];

/** Run a client tool. Returns arguments for `addToolOutput`, or undefined for a server tool. */
export function runClientTool({ toolName, toolCallId, input }: ClientToolCall) {
  switch (toolName) {
    case 'browser_time':
      return { tool: toolName, toolCallId, output: browserTime(input) };
    default:
      // The server runs its own tools and streams their output.
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
