import { useEffect, useRef } from 'react';
import { CloseIcon } from '../ui/icons';

const MOD = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl';

const SHORTCUTS: [keys: string[], description: string][] = [
  [['Enter'], 'Send the message'],
  [['Shift', 'Enter'], 'Insert a new line'],
  [['Esc'], 'Stop the response'],
  [['↑'], 'Edit your last message (in an empty message field)'],
  [[MOD, 'Shift', 'O'], 'New chat'],
  [[MOD, 'B'], 'Show or hide the chat list'],
  [[MOD, '.'], 'Show or hide the stream inspector'],
  [[MOD, '/'], 'Show keyboard shortcuts'],
];

/** A modal dialog that lists the keyboard shortcuts. */
export function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="shortcuts-dialog" aria-labelledby="shortcuts" onClose={onClose}>
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
        {SHORTCUTS.map(([keys, description]) => (
          <div key={description}>
            <dt>
              {keys.map(key => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{description}</dd>
          </div>
        ))}
      </dl>
    </dialog>
  );
}
