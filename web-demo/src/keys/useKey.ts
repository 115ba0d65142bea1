import { useEffect, useEffectEvent } from 'react';

/**
 * Calls back for a key, wherever the focus is, unless something nearer to it took the key.
 * `mod+` is Ctrl, or ⌘ on a Mac; `shift+` goes behind it.
 */
export function useKey(keys: string, callback: () => void, enabled = true) {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing || pressed(event) !== keys) return;
    // A dialog has its own keys.
    if (event.target instanceof Element && event.target.closest('dialog')) return;
    event.preventDefault();
    callback();
  });
  useEffect(() => {
    if (!enabled) return;
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [enabled]);
}

function pressed({ key, ctrlKey, metaKey, shiftKey }: KeyboardEvent): string {
  const modified = ctrlKey || metaKey;
  if (key.length > 1) return key;
  return `${modified ? 'mod+' : ''}${shiftKey ? 'shift+' : ''}${key.toLowerCase()}`;
}
