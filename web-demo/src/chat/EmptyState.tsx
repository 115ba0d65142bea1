const SUGGESTIONS = [
  { title: 'Call a tool', text: 'What time is it here?' },
  { title: 'Format text', text: 'Show me a table and some code' },
  { title: 'Take its time', text: 'Write a long answer' },
  { title: 'Fail', text: 'Show me an error' },
];

export function EmptyState({ onPick }: { onPick: (text: string) => void }) {
  return (
    <section className="empty" aria-labelledby="welcome">
      <h2 id="welcome">Ask something</h2>
      <p>The answer streams from Python to an unmodified useChat. See what it can do:</p>
      <ul className="suggestions">
        {SUGGESTIONS.map(({ title, text }) => (
          <li key={title}>
            <button type="button" onClick={() => onPick(text)}>
              <strong>{title}</strong>
              <span>{text}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
