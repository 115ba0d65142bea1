import type { ChatSummary } from '../api/chats';

const DAY_MS = 24 * 60 * 60 * 1000;

/** Group chats, sorted newest first, by the date of their last update: "Today", "Yesterday", … */
export function groupByDate(
  chats: ChatSummary[],
  now = new Date(),
): [label: string, chats: ChatSummary[]][] {
  const today = new Date(now).setHours(0, 0, 0, 0);
  const groups = new Map<string, ChatSummary[]>();
  for (const chat of chats) {
    const updatedAt = Date.parse(chat.updatedAt);
    const label =
      updatedAt >= today
        ? 'Today'
        : updatedAt >= today - DAY_MS
          ? 'Yesterday'
          : updatedAt >= today - 7 * DAY_MS
            ? 'Previous 7 days'
            : 'Older';
    groups.set(label, [...(groups.get(label) ?? []), chat]);
  }
  return [...groups];
}
