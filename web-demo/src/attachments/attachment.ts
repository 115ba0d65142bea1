import type { FileUIPart } from 'ai';
import { config } from '../config';

/** A file attached to the next message. */
export type Attachment = { key: number; size: number; part: FileUIPart };

/** Maximum total size of a message's files. A data URL is a third larger than its file. */
export const MAX_ATTACHMENT_BYTES = Math.floor((config.maxBodyBytes * 3) / 4) - 64 * 1024;

let lastKey = 0;

/** Read a file into a data URL, which is how `useChat` sends files. */
export async function readAttachment(file: File): Promise<Attachment> {
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  const mediaType = file.type || 'application/octet-stream';
  const part: FileUIPart = { type: 'file', mediaType, filename: file.name, url };
  return { key: ++lastKey, size: file.size, part };
}

/** Return the size of a data URL's content in bytes; undefined for other URLs. */
export function dataUrlSize(url: string): number | undefined {
  const [, base64] = /^data:[^,]*;base64,(.*)$/s.exec(url) ?? [];
  return base64 === undefined ? undefined : Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
}

const UNITS = ['B', 'kB', 'MB', 'GB'];

/** Format a size in bytes, such as "1.4 MB". */
export function formatBytes(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const amount = bytes / 1000 ** power;
  return `${amount < 10 && power ? amount.toFixed(1) : Math.round(amount)} ${UNITS[power]}`;
}
