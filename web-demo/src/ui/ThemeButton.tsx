import { DarkIcon, LightIcon, SystemIcon } from './icons';
import { useTheme } from './theme';

const ICONS = { system: SystemIcon, light: LightIcon, dark: DarkIcon };

export function ThemeButton() {
  const { theme, next } = useTheme();
  const Icon = ICONS[theme];
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Theme: ${theme}`}
      title={`Theme: ${theme}`}
      onClick={next}
    >
      <Icon />
    </button>
  );
}
