import { use } from 'react';
import { SourcesContext } from './SourceList';

/** An inline citation: the number of a source, as a link to it. */
export function Citation({ number }: { number: number }) {
  const source = use(SourcesContext)[number - 1];
  if (!source) return null;
  const label = `Source ${number}: ${source.title}`;
  return (
    <sup className="citation">
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
