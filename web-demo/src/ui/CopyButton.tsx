import { useEffect, useState } from 'react';
import { CheckIcon, CopyIcon } from './icons';

type Props = {
  /** what is copied, or what makes it when it is asked for */
  text: string | (() => string);
  /** written beside the picture */
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

  const said = copied ? 'Copied' : (label ?? 'Copy');
  return (
    <button
      type="button"
      className={label ? 'quiet' : 'icon-button'}
      aria-label={label ? undefined : said}
      title={label ? undefined : said}
      onClick={() => void copy()}
    >
      {copied ? <CheckIcon /> : <CopyIcon />}
      {label && said}
    </button>
  );
}
