import { useEffect, useRef } from 'react';
import { CloseIcon } from '../ui/icons';

const MOD = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl';

const SHORTCUTS: [keys: string[], what: string][] = [
  [['Enter'], 'Send'],
  [['Shift', 'Enter'], 'New line'],
  [['Esc'], 'Stop the answer'],
  [['↑'], 'Edit the last question, in an empty field'],
  [[MOD, 'Shift', 'O'], 'New chat'],
  [[MOD, 'B'], 'Chats'],
  [[MOD, '.'], 'What went over the wire'],
  [[MOD, '/'], 'These shortcuts'],
];

/** Lists the keys. */
export function Shortcuts({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="shortcuts" aria-labelledby="shortcuts" onClose={onClose}>
      <header>
        <h2 id="shortcuts">Keyboard shortcuts</h2>
        <button
          type="button"
          className="icon-button"
          aria-label="Close"
          onClick={() => dialog.current?.close()}
        >
          <CloseIcon />
        </button>
      </header>
      <dl>
        {SHORTCUTS.map(([keys, what]) => (
          <div key={what}>
            <dt>
              {keys.map(key => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </dialog>
  );
}
