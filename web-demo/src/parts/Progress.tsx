type Props = { label?: string; done: number };

/** How far something is, from 0 to 1. */
export function Progress({ label = 'Progress', done }: Props) {
  return (
    <label className="progress">
      <span>{label}</span>
      <progress value={done} max={1} />
    </label>
  );
}
