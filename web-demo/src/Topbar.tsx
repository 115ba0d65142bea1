import { KeysIcon, ListIcon, PlusIcon, WireIcon } from './ui/icons';
import { ThemeButton } from './ui/ThemeButton';
import type { Panel } from './ui/usePanel';

type Props = {
  title: string;
  /** undefined: the server keeps no chats */
  list: Panel | undefined;
  wire: Panel;
  onNew: () => void;
  onHelp: () => void;
};

export function Topbar({ title, list, wire, onNew, onHelp }: Props) {
  return (
    <header className="topbar">
      {list && (
        <button
          type="button"
          className="icon-button"
          aria-label="Chats"
          title="Chats"
          aria-expanded={list.open}
          onClick={list.toggle}
        >
          <ListIcon />
        </button>
      )}
      <h1>{title}</h1>
      {!(list?.open && list.isWide) && (
        <button
          type="button"
          className="icon-button"
          aria-label="New chat"
          title="New chat"
          onClick={onNew}
        >
          <PlusIcon />
        </button>
      )}
      <button
        type="button"
        className="icon-button"
        aria-label="Wire"
        title="What went over the wire"
        aria-expanded={wire.open}
        onClick={wire.toggle}
      >
        <WireIcon />
      </button>
      <button
        type="button"
        className="icon-button keys-button"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts"
        onClick={onHelp}
      >
        <KeysIcon />
      </button>
      <ThemeButton />
    </header>
  );
}
