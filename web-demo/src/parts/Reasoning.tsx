import { useEffect, useId, useState } from 'react';
import { ChevronIcon } from '../ui/icons';

type Props = { text: string; streaming: boolean };

/** What the model thinks: open while it thinks, folded away afterwards. */
export function Reasoning({ text, streaming }: Props) {
  const [choice, setChoice] = useState<boolean>();
  const seconds = useSeconds(streaming);
  const body = useId();
  const open = choice ?? streaming;
  // Thinking that nobody may read (it is encrypted) leaves nothing to unfold.
  if (!text && !streaming) return null;
  return (
    <section className="reasoning" data-streaming={streaming}>
      <button
        type="button"
        aria-expanded={open}
        aria-controls={body}
        onClick={() => setChoice(!open)}
      >
        <ChevronIcon />
        {streaming ? 'Thinking' : seconds ? `Thought for ${seconds} s` : 'Thoughts'}
      </button>
      <div id={body} className="reasoning-text" hidden={!open}>
        {text}
      </div>
    </section>
  );
}

/** How long something ran, in whole seconds; 0 when this page did not see it run. */
function useSeconds(running: boolean): number {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    if (!running) return;
    const begun = performance.now();
    return () => setSeconds(Math.max(1, Math.round((performance.now() - begun) / 1000)));
  }, [running]);
  return seconds;
}
