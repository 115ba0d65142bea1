import { useCallback, useLayoutEffect, useRef, useState } from 'react';

/** How far from its end, in pixels, a viewport still counts as there. */
const NEAR = 40;

/** Keeps the end of growing content in view until the reader scrolls up. */
export function useStickToEnd() {
  const viewport = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  const [atEnd, setAtEnd] = useState(true);

  const scrollToEnd = useCallback(() => {
    const { current } = viewport;
    sticks.current = true;
    current?.scrollTo({ top: current.scrollHeight });
  }, []);

  useLayoutEffect(() => {
    const box = viewport.current;
    const inner = content.current;
    if (!box || !inner) return;
    let lastTop = 0;
    const onScroll = () => {
      const near = box.scrollHeight - box.clientHeight - box.scrollTop < NEAR;
      // Only the reader scrolls up; content that grows merely moves the end away.
      if (near) sticks.current = true;
      else if (box.scrollTop < lastTop) sticks.current = false;
      lastTop = box.scrollTop;
      setAtEnd(near || sticks.current);
    };
    const observer = new ResizeObserver(() => {
      if (sticks.current) scrollToEnd();
      onScroll();
    });
    observer.observe(inner);
    observer.observe(box);
    box.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      observer.disconnect();
      box.removeEventListener('scroll', onScroll);
    };
  }, [scrollToEnd]);

  return { viewport, content, atEnd, scrollToEnd };
}
