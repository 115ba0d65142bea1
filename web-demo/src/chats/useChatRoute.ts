import { generateId } from 'ai';
import { useCallback, useEffect, useState } from 'react';

type ChatRoute = {
  chatId: string;
  /** whether this tab generated the id, so that the server has no such chat yet */
  isNew: boolean;
};

/** The open chat: the one in the URL (`?chat=…`), otherwise a new one. */
export function useChatRoute() {
  const [route, setRoute] = useState(readRoute);

  useEffect(() => {
    const onPopState = () => setRoute(readRoute());
    addEventListener('popstate', onPopState);
    return () => removeEventListener('popstate', onPopState);
  }, []);

  /** Open a chat; null opens a new one. */
  const openChat = useCallback((id: string | null) => {
    history.pushState(null, '', urlOf(id));
    setRoute(id === null ? newChatRoute() : { chatId: id, isNew: false });
  }, []);

  /** Put the id of a new chat into the URL, once it has a first message. */
  const addToUrl = useCallback((id: string) => {
    if (!location.search) history.replaceState(null, '', urlOf(id));
  }, []);

  return { ...route, openChat, addToUrl };
}

function readRoute(): ChatRoute {
  const id = new URLSearchParams(location.search).get('chat');
  return id ? { chatId: id, isNew: false } : newChatRoute();
}

const newChatRoute = (): ChatRoute => ({ chatId: generateId(), isNew: true });

const urlOf = (id: string | null) =>
  id === null ? location.pathname : `?${new URLSearchParams({ chat: id })}`;
