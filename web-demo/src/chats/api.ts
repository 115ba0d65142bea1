import { api, ask, chatApi } from '../server/api';
import { FLOOR } from '../server/floor';
import type { DemoMessage } from '../tools';

/** A chat as the list has it. */
export type ChatInfo = {
  id: string;
  title: string | null;
  createdAt: string;
  updatedAt: string;
  /** the answer that is being written */
  activeRunId: string | null;
};

export type StoredChat = ChatInfo & { messages: DemoMessage[] };

type Page = { chats: ChatInfo[]; nextCursor: string | null };

/** Chats, the newest first, from `cursor` on. */
export function listChats(cursor: string | null, limit: number): Promise<Page> {
  const query = new URLSearchParams({ limit: String(limit), ...(cursor && { cursor }) });
  return ask(api(`chats?${query}`));
}

/** A chat and its messages but the one that is being written: that one comes with the stream. */
export function loadChat(id: string): Promise<StoredChat> {
  return ask(chatApi(id, '?resume=1'), { headers: FLOOR });
}

export function renameChat(id: string, title: string): Promise<ChatInfo> {
  const headers = { 'content-type': 'application/json' };
  return ask(chatApi(id), { method: 'PATCH', headers, body: JSON.stringify({ title }) });
}

export function deleteChat(id: string): Promise<void> {
  return ask(chatApi(id), { method: 'DELETE' });
}

/** Ends the answer that writes or follows a message, wherever the server runs it. */
export function stopChat(id: string, messageId: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  return ask(chatApi(id, '/stop'), {
    method: 'POST',
    headers,
    body: JSON.stringify({ messageId }),
  });
}
