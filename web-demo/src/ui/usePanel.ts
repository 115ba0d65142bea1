import { useEffect, useState } from 'react';

/** Whether the chat list fits beside the chat. The style sheets use the same width. */
const WIDE_SCREEN = matchMedia('(min-width: 56rem)');

export type Panel = ReturnType<typeof usePanel>;

/**
 * Whether a panel is open. On a wide screen the choice is stored in this browser; on a narrow one
 * the panel covers the chat and starts closed.
 */
export function usePanel(name: string, defaultOpen: boolean) {
  const storageKey = `usechat-${name}`;
  const [isWideScreen, setWideScreen] = useState(WIDE_SCREEN.matches);
  const [isOpen, setOpen] = useState(() => {
    if (!WIDE_SCREEN.matches) return false;
    const stored = localStorage.getItem(storageKey);
    return stored === null ? defaultOpen : stored === 'open';
  });

  useEffect(() => {
    const onChange = () => setWideScreen(WIDE_SCREEN.matches);
    WIDE_SCREEN.addEventListener('change', onChange);
    return () => WIDE_SCREEN.removeEventListener('change', onChange);
  }, []);

  function setPanelOpen(open: boolean) {
    setOpen(open);
    if (isWideScreen) localStorage.setItem(storageKey, open ? 'open' : 'closed');
  }

  return {
    isOpen,
    isWideScreen,
    setOpen: setPanelOpen,
    toggle: () => setPanelOpen(!isOpen),
  };
}
