import { useEffect, useReducer } from 'react';
import { type Recording, recordingStore } from './recorder';

/** Minimum milliseconds between two renders. */
const THROTTLE = 100;

/** The recordings of a chat, newest first. Renders as they grow, but not for each network read. */
export function useRecordings(chatId: string): Recording[] {
  const [, rerender] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const unsubscribe = recordingStore.subscribe(() => {
      timer ??= setTimeout(() => {
        timer = undefined;
        rerender();
      }, THROTTLE);
    });
    return () => {
      unsubscribe();
      clearTimeout(timer);
    };
  }, []);
  return recordingStore
    .getAll()
    .filter(recording => recording.chatId === chatId)
    .reverse();
}
