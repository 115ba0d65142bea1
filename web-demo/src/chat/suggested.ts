export type Suggestion = {
  /** what it shows */
  title: string;
  /** what is asked */
  text: string;
  /** goes with the question */
  file?: () => File;
};

const HARBOUR = `port,ships,late
Lisbon,41,3
Oslo,17,0
Trieste,23,5
`;

/** One for each thing that the page and the server can do together. */
export const SUGGESTIONS: Suggestion[] = [
  { title: 'Format text', text: 'Show me code, maths and a table' },
  { title: 'Watch a tool work', text: 'Roll five dice' },
  { title: 'Run tools side by side', text: 'Compare the weather in Lisbon, Oslo and Atlantis' },
  { title: 'Take several steps', text: 'Plan a day in Lisbon' },
  { title: 'Ask before acting', text: 'Send a postcard to Ada' },
  { title: 'Use the browser', text: 'What time is it here?' },
  { title: 'Cite sources', text: 'Look up the history of tea' },
  { title: 'Draw a picture', text: 'Draw me a lighthouse' },
  {
    title: 'Read a file',
    text: 'What is in this file?',
    file: () => new File([HARBOUR], 'harbour.csv', { type: 'text/csv' }),
  },
  { title: 'Answer at length', text: 'Write a long answer' },
  { title: 'Fail half-way', text: 'Show me an error' },
];
