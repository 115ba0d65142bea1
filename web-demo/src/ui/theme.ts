import { useEffect, useState } from 'react';

const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'usechat-theme';

/** Light, dark, or as the system has it. Kept in this browser. */
export function useTheme() {
  const [theme, setTheme] = useState<Theme>(
    () => THEMES.find(known => known === localStorage.getItem(KEY)) ?? 'system',
  );
  useEffect(() => {
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return {
    theme,
    next: () =>
      setTheme(before => THEMES[(THEMES.indexOf(before) + 1) % THEMES.length] ?? 'system'),
  };
}
