import { useEffect, useReducer } from 'react';
import { type Recording, wire } from './recorder';

/** Milliseconds between two looks at what goes over the wire. */
const EVERY = 100;

/** The recordings of a chat, the newest first, drawn again as they grow but not for each read. */
export function useWire(chat: string): Recording[] {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const unsubscribe = wire.subscribe(() => {
      timer ??= setTimeout(() => {
        timer = undefined;
        redraw();
      }, EVERY);
    });
    return () => {
      unsubscribe();
      clearTimeout(timer);
    };
  }, []);
  return wire
    .recordings()
    .filter(recording => recording.chat === chat)
    .reverse();
}
