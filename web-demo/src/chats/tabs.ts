/** What the tabs of this browser tell each other: that something happened to a chat. */
export type News = { chat: string; what: 'answering' | 'changed' };

const channel = new BroadcastChannel('usechat');

export function tell(news: News) {
  channel.postMessage(news);
}

/** Calls back with the news of other tabs until the returned function is called. */
export function listen(callback: (news: News) => void): () => void {
  const onMessage = ({ data }: MessageEvent<News>) => callback(data);
  channel.addEventListener('message', onMessage);
  return () => channel.removeEventListener('message', onMessage);
}
