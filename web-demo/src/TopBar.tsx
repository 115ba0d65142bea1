import { ActivityIcon, KeyboardIcon, PlusIcon, SidebarIcon } from './ui/icons';
import { ThemeButton } from './ui/ThemeButton';
import type { Panel } from './ui/usePanel';

type Props = {
  title: string;
  /** undefined if the server does not store chats */
  chatListPanel: Panel | undefined;
  inspectorPanel: Panel;
  onNewChat: () => void;
  onShowShortcuts: () => void;
};

export function TopBar(props: Props) {
  const { title, chatListPanel, inspectorPanel, onNewChat, onShowShortcuts } = props;
  const hasSidebar = chatListPanel?.isOpen && chatListPanel.isWideScreen;
  return (
    <header className="top-bar">
      {chatListPanel && (
        <button
          type="button"
          className="icon-button"
          aria-label="Chats"
          title="Chats"
          aria-expanded={chatListPanel.isOpen}
          onClick={chatListPanel.toggle}
        >
          <SidebarIcon />
        </button>
      )}
      <h1>{title}</h1>
      {/* An open sidebar has a button for this, too. */}
      {!hasSidebar && (
        <button
          type="button"
          className="icon-button"
          aria-label="New chat"
          title="New chat"
          onClick={onNewChat}
        >
          <PlusIcon />
        </button>
      )}
      <button
        type="button"
        className="icon-button"
        aria-label="Stream inspector"
        title="Stream inspector"
        aria-expanded={inspectorPanel.isOpen}
        onClick={inspectorPanel.toggle}
      >
        <ActivityIcon />
      </button>
      <button
        type="button"
        className="icon-button shortcuts-button"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts"
        onClick={onShowShortcuts}
      >
        <KeyboardIcon />
      </button>
      <ThemeButton />
    </header>
  );
}
