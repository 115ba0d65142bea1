type Props = {
  label?: string;
  /** the fraction that is done, from 0 to 1 */
  done: number;
};

export function ProgressBar({ label = 'Progress', done }: Props) {
  return (
    <label className="progress-bar">
      <span>{label}</span>
      <progress value={done} max={1} />
    </label>
  );
}
