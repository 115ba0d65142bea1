import { createContext } from 'react';
import type { Source } from './sources';

/** The sources of the enclosing message, for the citations in its text. */
export const SourcesContext = createContext<Source[]>([]);

/** The sources of a message, numbered as its citations refer to them. */
export function SourceList({ sources }: { sources: Source[] }) {
  if (sources.length === 0) return null;
  return (
    <nav className="sources" aria-label="Sources">
      <h3>Sources</h3>
      <ol>
        {sources.map(({ key, title, url, origin }) => (
          <li key={key}>
            {url ? (
              <a href={url} target="_blank" rel="noopener noreferrer">
                {title}
              </a>
            ) : (
              <span>{title}</span>
            )}
            <span className="muted">{origin}</span>
          </li>
        ))}
      </ol>
    </nav>
  );
}
