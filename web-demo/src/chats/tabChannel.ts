/** An event that one browser tab broadcasts to the others. */
export type TabEvent = { chatId: string; type: 'run-started' | 'chat-changed' };

const channel = new BroadcastChannel('usechat');

/** Send an event to the other tabs. */
export function broadcast(event: TabEvent) {
  channel.postMessage(event);
}

/** Call back for each event of another tab. Returns a function that unsubscribes. */
export function subscribe(callback: (event: TabEvent) => void): () => void {
  const onMessage = ({ data }: MessageEvent<TabEvent>) => callback(data);
  channel.addEventListener('message', onMessage);
  return () => channel.removeEventListener('message', onMessage);
}
