/**
 * Run a callback unless another tab of this browser has run it: when several tabs show the same
 * response, only one of them may run a client tool.
 */
export function runInOneTab(lockName: string, callback: () => void) {
  // Only secure origins (https and localhost) have locks. Without them, every tab runs it.
  if (!navigator.locks) return callback();
  void navigator.locks.request(lockName, { ifAvailable: true }, lock => {
    if (!lock) return;
    callback();
    // Never resolves: the tab holds the lock until it is closed.
    return new Promise(() => {});
  });
}
