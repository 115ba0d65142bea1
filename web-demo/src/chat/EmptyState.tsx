const SUGGESTIONS = [
  { title: 'Call a tool', text: 'What time is it here?' },
  { title: 'Format text', text: 'Show me a table and some code' },
  { title: 'Answer at length', text: 'Write a long answer' },
  { title: 'Fail half-way', text: 'Show me an error' },
];

export function EmptyState({ onPick }: { onPick: (text: string) => void }) {
  return (
    <section className="empty" aria-labelledby="welcome">
      <h2 id="welcome">Chat with a Python backend</h2>
      <p>This page is useChat as published, and usechat-server answers it. Try one of these:</p>
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
