import { lazy, Suspense } from 'react';
import { FileCard } from '../attachments/FileCard';
import { DataCard } from '../parts/DataCard';
import { Picture } from '../parts/Picture';
import { Reasoning } from '../parts/Reasoning';
import { ToolCard } from '../parts/ToolCard';
import type { Group } from './groups';

const Markdown = lazy(() => import('../markdown/Markdown'));

type Props = { group: Group; active: boolean };

export function GroupView({ group, active }: Props) {
  switch (group.kind) {
    case 'text':
      return (
        // As it is, for the moment in which the Markdown parser is fetched.
        <Suspense fallback={<p className="plain">{group.text}</p>}>
          <Markdown text={group.text} streaming={active && group.streaming} />
        </Suspense>
      );
    case 'reasoning':
      return <Reasoning text={group.text} streaming={active && group.streaming} />;
    case 'tools':
      return (
        <div className="tools">
          {group.parts.map(part => (
            <ToolCard key={part.toolCallId} part={part} active={active} />
          ))}
        </div>
      );
    case 'files':
      return (
        <div className="files">
          {group.parts.map((part, index) =>
            part.mediaType.startsWith('image/') ? (
              <Picture key={index} url={part.url} name={part.filename} />
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
