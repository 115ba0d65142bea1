/**
 * Does a piece of work unless another tab of this browser does it: of several tabs that show the
 * same answer, one runs the model's tool calls.
 */
export function once(name: string, work: () => void) {
  // Only https and localhost pages have locks; others have one tab, one hopes.
  if (!navigator.locks) return work();
  void navigator.locks.request(name, { ifAvailable: true }, lock => {
    if (!lock) return;
    work();
    // Kept for as long as this tab lives.
    return new Promise(() => {});
  });
}
