import { useEffect, useState } from 'react';

const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const STORAGE_KEY = 'usechat-theme';

/** The selected theme, stored in this browser. `system` follows the operating system. */
export function useTheme() {
  const [theme, setTheme] = useState<Theme>(
    () => THEMES.find(name => name === localStorage.getItem(STORAGE_KEY)) ?? 'system',
  );
  useEffect(() => {
    localStorage.setItem(STORAGE_KEY, theme);
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return {
    theme,
    selectNextTheme: () =>
      setTheme(current => THEMES[(THEMES.indexOf(current) + 1) % THEMES.length] ?? 'system'),
  };
}
