import { useEffect, useId, useState } from 'react';
import { ChevronIcon } from '../ui/icons';

type Props = { text: string; streaming: boolean };

/** The model's reasoning: expanded while it streams, collapsed afterwards. */
export function Reasoning({ text, streaming }: Props) {
  // undefined until the user expands or collapses it
  const [userChoice, setUserChoice] = useState<boolean>();
  const seconds = useElapsedSeconds(streaming);
  const bodyId = useId();
  const isOpen = userChoice ?? streaming;
  // Encrypted reasoning has no text to show.
  if (!text && !streaming) return null;
  return (
    <section className="reasoning" data-streaming={streaming}>
      <button
        type="button"
        aria-expanded={isOpen}
        aria-controls={bodyId}
        onClick={() => setUserChoice(!isOpen)}
      >
        <ChevronIcon />
        {streaming ? 'Thinking' : seconds ? `Thought for ${seconds} s` : 'Reasoning'}
      </button>
      <div id={bodyId} className="reasoning-text" hidden={!isOpen}>
        {text}
      </div>
    </section>
  );
}

/** Return for how many whole seconds `running` was true; 0 if it never was in this tab. */
function useElapsedSeconds(running: boolean): number {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    if (!running) return;
    const startedAt = performance.now();
    return () => setSeconds(Math.max(1, Math.round((performance.now() - startedAt) / 1000)));
  }, [running]);
  return seconds;
}
