import type { DataPart } from '../message/groups';
import { Progress } from './Progress';
import { Value } from './Value';

/** A data part of the app's own: progress as a bar, anything else as it is. */
export function DataCard({ part }: { part: DataPart }) {
  const { data } = part;
  if (part.type === 'data-progress' && isProgress(data)) {
    // What is done needs no bar any more.
    return data.done < 1 ? <Progress {...data} /> : null;
  }
  return (
    <section className="tool" aria-label={part.type}>
      <dl>
        <Value label={part.type.slice('data-'.length)} value={data} />
      </dl>
    </section>
  );
}

type ProgressData = { label?: string; done: number };

function isProgress(data: unknown): data is ProgressData {
  return typeof data === 'object' && data !== null && 'done' in data;
}
