import { useCallback, useLayoutEffect, useRef, useState } from 'react';

/** Distance from the bottom, in pixels, within which the viewport counts as being at the bottom. */
const BOTTOM_TOLERANCE = 40;

/** Keep the bottom of growing content in view until the user scrolls up. */
export function useStickToBottom() {
  const viewport = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isSticky = useRef(true);
  const [isAtBottom, setAtBottom] = useState(true);

  const scrollToBottom = useCallback(() => {
    const { current } = viewport;
    isSticky.current = true;
    current?.scrollTo({ top: current.scrollHeight });
  }, []);

  useLayoutEffect(() => {
    const outer = viewport.current;
    const inner = content.current;
    if (!outer || !inner) return;
    let lastScrollTop = 0;
    const onScroll = () => {
      const distance = outer.scrollHeight - outer.clientHeight - outer.scrollTop;
      const isNearBottom = distance < BOTTOM_TOLERANCE;
      // Only the user scrolls up; growing content increases the distance without scrolling.
      if (isNearBottom) isSticky.current = true;
      else if (outer.scrollTop < lastScrollTop) isSticky.current = false;
      lastScrollTop = outer.scrollTop;
      setAtBottom(isNearBottom || isSticky.current);
    };
    const observer = new ResizeObserver(() => {
      if (isSticky.current) scrollToBottom();
      onScroll();
    });
    observer.observe(inner);
    observer.observe(outer);
    outer.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      observer.disconnect();
      outer.removeEventListener('scroll', onScroll);
    };
  }, [scrollToBottom]);

  return { viewport, content, isAtBottom, scrollToBottom };
}
