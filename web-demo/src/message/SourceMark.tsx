import { use } from 'react';
import { SourcesContext } from './Sources';

/** The small number behind a sentence that comes from somewhere. */
export function SourceMark({ number }: { number: number }) {
  const source = use(SourcesContext)[number - 1];
  if (!source) return null;
  const label = `Source ${number}: ${source.title}`;
  return (
    <sup className="source-mark">
      {source.url ? (
        <a
          href={source.url}
          title={label}
          aria-label={label}
          target="_blank"
          rel="noopener noreferrer"
        >
          {number}
        </a>
      ) : (
        <span title={label}>{number}</span>
      )}
    </sup>
  );
}
