import { useEffect, useEffectEvent } from 'react';

/**
 * Call back when a shortcut is pressed, wherever the focus is, unless an element with a handler of
 * its own has prevented the default. In `keys`, `mod+` is Ctrl or ⌘, and `shift+` comes after it.
 */
export function useShortcut(keys: string, callback: () => void, enabled = true) {
  const onKeyDown = useEffectEvent((event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing || pressedKeys(event) !== keys) return;
    // A dialog handles its own keys.
    if (event.target instanceof Element && event.target.closest('dialog')) return;
    event.preventDefault();
    callback();
  });
  useEffect(() => {
    if (!enabled) return;
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, [enabled]);
}

function pressedKeys({ key, ctrlKey, metaKey, shiftKey }: KeyboardEvent): string {
  const mod = ctrlKey || metaKey;
  if (key.length > 1) return key;
  return `${mod ? 'mod+' : ''}${shiftKey ? 'shift+' : ''}${key.toLowerCase()}`;
}
