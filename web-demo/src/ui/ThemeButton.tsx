import { MoonIcon, SunIcon, SystemThemeIcon } from './icons';
import { useTheme } from './useTheme';

const ICONS = { system: SystemThemeIcon, light: SunIcon, dark: MoonIcon };

export function ThemeButton() {
  const { theme, selectNextTheme } = useTheme();
  const Icon = ICONS[theme];
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Theme: ${theme}`}
      title={`Theme: ${theme}`}
      onClick={selectNextTheme}
    >
      <Icon />
    </button>
  );
}
