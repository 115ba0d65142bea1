import type { Recording } from './recorder';

type Props = {
  /** the chat's recordings, newest first */
  recordings: Recording[];
  current: Recording | undefined;
  /** called with undefined to follow the newest request */
  onSelect: (number: number | undefined) => void;
};

/** Selects one of the chat's requests. Selecting the newest one also follows later requests. */
export function RecordingSelect({ recordings, current, onSelect }: Props) {
  const newest = recordings[0];
  if (!current || !newest) return null;
  return (
    <select
      aria-label="Request"
      value={current.number}
      onChange={event => {
        const number = Number(event.target.value);
        onSelect(number === newest.number ? undefined : number);
      }}
    >
      {recordings.map(recording => (
        <option key={recording.number} value={recording.number}>
          {optionLabel(recording)}
        </option>
      ))}
    </select>
  );
}

function optionLabel({ number, method, url, status, outcome }: Recording): string {
  const path = new URL(url).pathname
    .replace(/^.*(?=\/api\/)/, '')
    .replace(/(\/chat\/).{12,}(\/stream)$/, '$1…$2');
  return `#${number} ${method} ${path} · ${outcome === 'complete' ? status : (outcome ?? 'open')}`;
}
