import { useEffect, useRef } from 'react';
import { framesOf } from './frames';
import { type Recording, recordingStore, recordPaint } from './recorder';

/** Record when the first token of each response of a chat is on the screen. */
export function usePaintTime(chatId: string, messages: readonly unknown[]) {
  const painted = useRef<Recording>(undefined);
  // biome-ignore lint/correctness/useExhaustiveDependencies: runs when the page shows new messages
  useEffect(() => {
    const recording = recordingStore.getAll().findLast(each => each.chatId === chatId);
    if (!recording || recording === painted.current || document.hidden) return;
    if (!framesOf(recording).some(({ type }) => type.endsWith('-delta'))) return;
    painted.current = recording;
    recordPaint(recording);
  }, [chatId, messages]);
}
