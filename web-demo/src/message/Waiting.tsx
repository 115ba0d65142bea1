/** Something is under way and nothing of it can be seen yet. */
export function Waiting() {
  return (
    <div className="waiting" aria-hidden="true">
      <i />
      <i />
      <i />
    </div>
  );
}
