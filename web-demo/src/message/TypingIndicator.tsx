/** Three pulsing dots: a response is being generated, but there is nothing to show yet. */
export function TypingIndicator() {
  return (
    <div className="typing-indicator" aria-hidden="true">
      <i />
      <i />
      <i />
    </div>
  );
}
