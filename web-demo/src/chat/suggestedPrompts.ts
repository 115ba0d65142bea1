export type SuggestedPrompt = {
  /** the feature that the prompt demonstrates */
  title: string;
  /** the text to send; the demo model recognizes it */
  text: string;
  /** creates a file to send with the text */
  file?: () => File;
};

const HARBOUR_CSV = `port,ships,late
Lisbon,41,3
Oslo,17,0
Trieste,23,5
`;

/** One prompt for each feature of the client and the server. */
export const SUGGESTED_PROMPTS: SuggestedPrompt[] = [
  { title: 'Markdown and maths', text: 'Show me code, maths and a table' },
  { title: 'Streaming tool', text: 'Roll five dice' },
  { title: 'Parallel tools', text: 'Compare the weather in Lisbon, Oslo and Atlantis' },
  { title: 'Multiple steps', text: 'Plan a day in Lisbon' },
  { title: 'Tool approval', text: 'Send a postcard to Ada' },
  { title: 'Client-side tool', text: 'What time is it here?' },
  { title: 'Cited sources', text: 'Look up the history of tea' },
  { title: 'Generated image', text: 'Draw me a lighthouse' },
  {
    title: 'File attachment',
    text: 'What is in this file?',
    file: () => new File([HARBOUR_CSV], 'harbour.csv', { type: 'text/csv' }),
  },
  { title: 'Long response', text: 'Write a long answer' },
  { title: 'Error and retry', text: 'Show me an error' },
];
