import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { ChatPane } from './chat/ChatPane';
import { ChatList } from './chats/ChatList';
import { tell } from './chats/tabs';
import { useChatId } from './chats/useChatId';
import { useChats } from './chats/useChats';
import { Shortcuts } from './keys/Shortcuts';
import { useKey } from './keys/useKey';
import { config } from './server/config';
import { Topbar } from './Topbar';
import { usePanel } from './ui/usePanel';

const UNTITLED = config.stored ? 'New chat' : 'usechat-server';

const WireDrawer = lazy(() => import('./wire/WireDrawer'));

/** The page: the list of chats, the open one, and what went over the wire for it. */
export function App() {
  const { id, fresh, open, keep } = useChatId();
  const chats = useChats();
  const list = usePanel('chats', { wide: config.stored, narrow: false });
  const wire = usePanel('wire', { wide: false, narrow: false });
  const [help, setHelp] = useState(false);
  const title = chats.chats.find(chat => chat.id === id)?.title || UNTITLED;
  const { refresh } = chats;

  const openChat = (next: string | null) => {
    open(next);
    if (!list.isWide) list.set(false);
  };
  const openNew = () => openChat(null);
  useKey('mod+shift+o', openNew);
  useKey('mod+b', list.toggle, config.stored);
  useKey('mod+.', wire.toggle);
  useKey('mod+/', () => setHelp(true));
  const covered = list.open && !list.isWide;
  useKey('Escape', () => list.set(false), covered);

  const onAnswering = useCallback(() => {
    keep(id);
    tell({ chat: id, what: 'answering' });
    void refresh();
  }, [id, keep, refresh]);
  const onEnd = useCallback(() => {
    tell({ chat: id, what: 'changed' });
    void refresh();
  }, [id, refresh]);

  useEffect(() => {
    document.title = title === UNTITLED ? 'usechat-server' : `${title} · usechat-server`;
  }, [title]);

  return (
    <div className="app" data-list={list.open}>
      {config.stored && (
        <aside className="side" inert={!list.open}>
          <ChatList chats={chats} current={id} onOpen={openChat} />
        </aside>
      )}
      {covered && <div className="cover" aria-hidden="true" onClick={() => list.set(false)} />}
      <div className="page" inert={covered}>
        <Topbar
          title={title}
          list={config.stored ? list : undefined}
          wire={wire}
          onNew={openNew}
          onHelp={() => setHelp(true)}
        />
        <ChatPane
          key={id}
          id={id}
          fresh={fresh}
          onAnswering={onAnswering}
          onEnd={onEnd}
          onNew={openNew}
        />
        {wire.open && (
          <Suspense>
            <WireDrawer chat={id} onClose={() => wire.set(false)} />
          </Suspense>
        )}
      </div>
      {help && <Shortcuts onClose={() => setHelp(false)} />}
    </div>
  );
}
