import type { DataPart } from '../message/partGroups';
import { ProgressBar } from './ProgressBar';
import { ValueRow } from './ValueRow';

/** A custom data part: `data-progress` as a progress bar, any other type as its JSON value. */
export function DataCard({ part }: { part: DataPart }) {
  const { data } = part;
  if (part.type === 'data-progress' && isProgress(data)) {
    // The bar disappears when the work is done.
    return data.done < 1 ? <ProgressBar {...data} /> : null;
  }
  return (
    <section className="tool-card" aria-label={part.type}>
      <dl>
        <ValueRow label={part.type.slice('data-'.length)} value={data} />
      </dl>
    </section>
  );
}

type ProgressData = { label?: string; done: number };

function isProgress(data: unknown): data is ProgressData {
  return typeof data === 'object' && data !== null && 'done' in data;
}
