import { generateId } from 'ai';
import { useCallback, useEffect, useState } from 'react';

type Place = {
  id: string;
  /** made on this page, so that the server cannot know it yet */
  fresh: boolean;
};

/** Which chat is open: the one that the address names (`?chat=…`), else a new one. */
export function useChatId() {
  const [place, setPlace] = useState(placeOfAddress);

  useEffect(() => {
    const onBack = () => setPlace(placeOfAddress());
    addEventListener('popstate', onBack);
    return () => removeEventListener('popstate', onBack);
  }, []);

  const open = useCallback((id: string | null) => {
    history.pushState(null, '', address(id));
    setPlace(id === null ? newPlace() : { id, fresh: false });
  }, []);

  /** A new chat gets its address with its first message. */
  const keep = useCallback((id: string) => {
    if (!location.search) history.replaceState(null, '', address(id));
  }, []);

  return { ...place, open, keep };
}

function placeOfAddress(): Place {
  const id = new URLSearchParams(location.search).get('chat');
  return id ? { id, fresh: false } : newPlace();
}

const newPlace = (): Place => ({ id: generateId(), fresh: true });

const address = (id: string | null) =>
  id === null ? location.pathname : `?${new URLSearchParams({ chat: id })}`;
