import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { ChatLoader } from './chat/ChatLoader';
import { ChatList } from './chats/ChatList';
import { broadcast } from './chats/tabChannel';
import { useChatList } from './chats/useChatList';
import { useChatRoute } from './chats/useChatRoute';
import { config } from './config';
import { ShortcutsDialog } from './shortcuts/ShortcutsDialog';
import { useShortcut } from './shortcuts/useShortcut';
import { TopBar } from './TopBar';
import { usePanel } from './ui/usePanel';

const APP_NAME = 'usechat-server';
const DEFAULT_TITLE = config.stored ? 'New chat' : APP_NAME;

const StreamInspector = lazy(() => import('./inspector/StreamInspector'));

/** The app: the chat list, the open chat, and the stream inspector. */
export function App() {
  const { chatId, isNew, openChat, addToUrl } = useChatRoute();
  const chatList = useChatList();
  const chatListPanel = usePanel('chats', config.stored);
  const inspectorPanel = usePanel('inspector', false);
  const [showsShortcuts, setShowsShortcuts] = useState(false);
  const title = chatList.chats.find(chat => chat.id === chatId)?.title || DEFAULT_TITLE;
  const { refresh } = chatList;

  const openFromList = (id: string | null) => {
    openChat(id);
    if (!chatListPanel.isWideScreen) chatListPanel.setOpen(false);
  };
  const openNewChat = () => openFromList(null);
  useShortcut('mod+shift+o', openNewChat);
  useShortcut('mod+b', chatListPanel.toggle, config.stored);
  useShortcut('mod+.', inspectorPanel.toggle);
  useShortcut('mod+/', () => setShowsShortcuts(true));
  const isCovered = chatListPanel.isOpen && !chatListPanel.isWideScreen;
  useShortcut('Escape', () => chatListPanel.setOpen(false), isCovered);

  const onRunStarted = useCallback(() => {
    addToUrl(chatId);
    broadcast({ chatId, type: 'run-started' });
    void refresh();
  }, [chatId, addToUrl, refresh]);
  const onRunEnded = useCallback(() => {
    broadcast({ chatId, type: 'chat-changed' });
    void refresh();
  }, [chatId, refresh]);

  useEffect(() => {
    document.title = title === DEFAULT_TITLE ? APP_NAME : `${title} · ${APP_NAME}`;
  }, [title]);

  return (
    <div className="app" data-sidebar-open={chatListPanel.isOpen}>
      {config.stored && (
        <aside className="sidebar" inert={!chatListPanel.isOpen}>
          <ChatList chatList={chatList} currentId={chatId} onOpen={openFromList} />
        </aside>
      )}
      {isCovered && (
        <div className="backdrop" aria-hidden="true" onClick={() => chatListPanel.setOpen(false)} />
      )}
      <div className="content" inert={isCovered}>
        <TopBar
          title={title}
          chatListPanel={config.stored ? chatListPanel : undefined}
          inspectorPanel={inspectorPanel}
          onNewChat={openNewChat}
          onShowShortcuts={() => setShowsShortcuts(true)}
        />
        <ChatLoader
          key={chatId}
          id={chatId}
          isNew={isNew}
          onRunStarted={onRunStarted}
          onRunEnded={onRunEnded}
          onNewChat={openNewChat}
        />
        {inspectorPanel.isOpen && (
          <Suspense>
            <StreamInspector chatId={chatId} onClose={() => inspectorPanel.setOpen(false)} />
          </Suspense>
        )}
      </div>
      {showsShortcuts && <ShortcutsDialog onClose={() => setShowsShortcuts(false)} />}
    </div>
  );
}
