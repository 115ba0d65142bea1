import type { Recording } from './recorder';

type Props = {
  recordings: Recording[];
  current: Recording | undefined;
  onChoose: (number: number | undefined) => void;
};

/** Chooses one of the chat's requests. The newest is followed until another one is chosen. */
export function Recordings({ recordings, current, onChoose }: Props) {
  const newest = recordings[0];
  if (!current || !newest) return null;
  return (
    <select
      aria-label="Request"
      value={current.number}
      onChange={event => {
        const number = Number(event.target.value);
        onChoose(number === newest.number ? undefined : number);
      }}
    >
      {recordings.map(recording => (
        <option key={recording.number} value={recording.number}>
          {describe(recording)}
        </option>
      ))}
    </select>
  );
}

function describe({ number, method, url, status, end }: Recording): string {
  const path = new URL(url).pathname
    .replace(/^.*(?=\/api\/)/, '')
    .replace(/(\/chat\/).{12,}(\/stream)$/, '$1…$2');
  return `#${number} ${method} ${path} · ${end === 'complete' ? status : (end ?? 'open')}`;
}
