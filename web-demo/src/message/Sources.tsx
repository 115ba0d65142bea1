import { createContext } from 'react';
import type { Source } from './sources';

/** The sources of the message around, for the marks in its text. */
export const SourcesContext = createContext<Source[]>([]);

/** Where the answer has it from. */
export function Sources({ sources }: { sources: Source[] }) {
  if (sources.length === 0) return null;
  return (
    <nav className="sources" aria-label="Sources">
      <h3>Sources</h3>
      <ol>
        {sources.map(({ key, title, url, from }) => (
          <li key={key}>
            {url ? (
              <a href={url} target="_blank" rel="noopener noreferrer">
                {title}
              </a>
            ) : (
              <span>{title}</span>
            )}
            <span className="faded">{from}</span>
          </li>
        ))}
      </ol>
    </nav>
  );
}
