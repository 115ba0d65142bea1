import { useEffect, useState } from 'react';

/** Wide enough for the list beside the chat; the style sheets have it, too. */
const WIDE = matchMedia('(min-width: 56rem)');

export type Panel = ReturnType<typeof usePanel>;

/** Whether a panel is open. On a wide page the choice is kept, on a narrow one it covers the chat. */
export function usePanel(name: string, initially: { wide: boolean; narrow: boolean }) {
  const key = `usechat-${name}`;
  const [isWide, setWide] = useState(WIDE.matches);
  const [open, setOpen] = useState(() => {
    if (!WIDE.matches) return initially.narrow;
    const kept = localStorage.getItem(key);
    return kept === null ? initially.wide : kept === 'open';
  });

  useEffect(() => {
    const onChange = () => setWide(WIDE.matches);
    WIDE.addEventListener('change', onChange);
    return () => WIDE.removeEventListener('change', onChange);
  }, []);

  function set(now: boolean) {
    setOpen(now);
    if (isWide) localStorage.setItem(key, now ? 'open' : 'closed');
  }

  return { open, isWide, set, toggle: () => set(!open) };
}
