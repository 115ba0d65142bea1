import type { DemoMessage } from '../messageTypes';
import { CLIENT_VERSION_HEADERS } from './clientVersion';
import { apiUrl, chatUrl, requestJson } from './request';

/** A chat as listed: everything but its messages. */
export type ChatSummary = {
  id: string;
  title: string | null;
  createdAt: string;
  updatedAt: string;
  /** id of the run that is generating a response */
  activeRunId: string | null;
};

export type StoredChat = ChatSummary & { messages: DemoMessage[] };

type ChatListPage = { chats: ChatSummary[]; nextCursor: string | null };

/** List chats, newest first, starting at `cursor`. */
export function listChats(cursor: string | null, limit: number): Promise<ChatListPage> {
  const query = new URLSearchParams({ limit: String(limit), ...(cursor && { cursor }) });
  return requestJson(apiUrl(`chats?${query}`));
}

/** Load a chat. A message that is still being generated is left out: the stream delivers it. */
export function loadChat(id: string): Promise<StoredChat> {
  return requestJson(chatUrl(id, '?resume=1'), { headers: CLIENT_VERSION_HEADERS });
}

export function renameChat(id: string, title: string): Promise<ChatSummary> {
  const headers = { 'content-type': 'application/json' };
  return requestJson(chatUrl(id), { method: 'PATCH', headers, body: JSON.stringify({ title }) });
}

export function deleteChat(id: string): Promise<void> {
  return requestJson(chatUrl(id), { method: 'DELETE' });
}

/** Stop the run that generates this message, or the response to it, on whichever server process. */
export function stopRun(chatId: string, messageId: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  return requestJson(chatUrl(chatId, '/stop'), {
    method: 'POST',
    headers,
    body: JSON.stringify({ messageId }),
  });
}
