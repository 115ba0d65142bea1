import { useEffect, useState } from 'react';
import { CheckIcon, CopyIcon } from './icons';

type Props = {
  /** the text to copy, or a function that returns it on click */
  text: string | (() => string);
  /** a visible label beside the icon */
  label?: string;
};

export function CopyButton({ text, label }: Props) {
  const [copied, setCopied] = useState(false);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);

  async function copy() {
    await navigator.clipboard.writeText(typeof text === 'string' ? text : text());
    setCopied(true);
  }

  const currentLabel = copied ? 'Copied' : (label ?? 'Copy');
  return (
    <button
      type="button"
      className={label ? 'ghost' : 'icon-button'}
      aria-label={label ? undefined : currentLabel}
      title={label ? undefined : currentLabel}
      onClick={() => void copy()}
    >
      {copied ? <CheckIcon /> : <CopyIcon />}
      {label && currentLabel}
    </button>
  );
}
