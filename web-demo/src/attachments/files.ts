import type { FileUIPart } from 'ai';
import { config } from '../server/config';

/** A file that goes with the next message. */
export type Attachment = { key: number; size: number; part: FileUIPart };

/** Bytes that the files of a chat may have together: a data URL is a third longer than its file. */
export const MOST_BYTES = Math.floor((config.maxBodyBytes * 3) / 4) - 64 * 1024;

let keys = 0;

/** Reads a file as a data URL, the form in which `useChat` sends it. */
export async function attach(file: File): Promise<Attachment> {
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  const mediaType = file.type || 'application/octet-stream';
  const part: FileUIPart = { type: 'file', mediaType, filename: file.name, url };
  return { key: ++keys, size: file.size, part };
}

/** Bytes of what a data URL holds; undefined for other addresses. */
export function sizeOf({ url }: FileUIPart): number | undefined {
  const [, base64] = /^data:[^,]*;base64,(.*)$/s.exec(url) ?? [];
  return base64 === undefined ? undefined : Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
}

const UNITS = ['B', 'kB', 'MB', 'GB'];

/** "1.4 MB" */
export function readableSize(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const amount = bytes / 1000 ** power;
  return `${amount < 10 && power ? amount.toFixed(1) : Math.round(amount)} ${UNITS[power]}`;
}
