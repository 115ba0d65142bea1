import { generateId } from 'ai';
import { useState } from 'react';
import { Chat } from './chat/Chat';
import iconUrl from './icon.svg';

export function App() {
  const [chatId, setChatId] = useState(generateId);
  return (
    <>
      <header className="topbar">
        <img src={iconUrl} alt="" width="22" height="22" />
        <h1>usechat-server</h1>
        <button type="button" className="quiet" onClick={() => setChatId(generateId())}>
          New chat
        </button>
      </header>
      <Chat key={chatId} id={chatId} />
    </>
  );
}
