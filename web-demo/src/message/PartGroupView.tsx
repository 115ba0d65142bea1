import { lazy, Suspense } from 'react';
import { FileCard } from '../attachments/FileCard';
import { DataCard } from '../parts/DataCard';
import { InlineImage } from '../parts/InlineImage';
import { Reasoning } from '../parts/Reasoning';
import { ToolCard } from '../parts/ToolCard';
import type { PartGroup } from './partGroups';

const Markdown = lazy(() => import('../markdown/Markdown'));

type Props = { group: PartGroup; streaming: boolean };

export function PartGroupView({ group, streaming }: Props) {
  switch (group.kind) {
    case 'text':
      return (
        // Plain text until the Markdown parser is loaded.
        <Suspense fallback={<p className="plain-text">{group.text}</p>}>
          <Markdown text={group.text} streaming={streaming && group.streaming} />
        </Suspense>
      );
    case 'reasoning':
      return <Reasoning text={group.text} streaming={streaming && group.streaming} />;
    case 'tools':
      return (
        <div className="tool-cards">
          {group.parts.map(part => (
            <ToolCard key={part.toolCallId} part={part} streaming={streaming} />
          ))}
        </div>
      );
    case 'files':
      return (
        <div className="files">
          {group.parts.map((part, index) =>
            part.mediaType.startsWith('image/') ? (
              <InlineImage key={index} url={part.url} name={part.filename} />
            ) : (
              <FileCard key={index} part={part} />
            ),
          )}
        </div>
      );
    case 'data':
      return <DataCard part={group.part} />;
  }
}
