import type { ChatInfo } from './api';

const DAY = 24 * 60 * 60 * 1000;

/** Chats in groups by the day on which they were last written to; they come sorted. */
export function byAge(chats: ChatInfo[], now = new Date()): [age: string, chats: ChatInfo[]][] {
  const today = new Date(now).setHours(0, 0, 0, 0);
  const groups = new Map<string, ChatInfo[]>();
  for (const chat of chats) {
    const at = Date.parse(chat.updatedAt);
    const age =
      at >= today
        ? 'Today'
        : at >= today - DAY
          ? 'Yesterday'
          : at >= today - 7 * DAY
            ? 'This week'
            : 'Earlier';
    groups.set(age, [...(groups.get(age) ?? []), chat]);
  }
  return [...groups];
}
