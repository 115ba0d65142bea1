import { useState } from 'react';
import { type Attachment, formatBytes, MAX_ATTACHMENT_BYTES, readAttachment } from './attachment';

export type Attachments = ReturnType<typeof useAttachments>;

/** The files attached to the next message. */
export function useAttachments() {
  const [items, setItems] = useState<Attachment[]>([]);
  const [error, setError] = useState('');

  async function add(files: Iterable<File>) {
    setError('');
    let remainingBytes = MAX_ATTACHMENT_BYTES - items.reduce((sum, { size }) => sum + size, 0);
    for (const file of files) {
      if (file.size > remainingBytes) {
        const limit = formatBytes(MAX_ATTACHMENT_BYTES);
        setError(`${file.name} is too large: attachments are limited to ${limit} per message.`);
        continue;
      }
      remainingBytes -= file.size;
      try {
        const attachment = await readAttachment(file);
        setItems(current => [...current, attachment]);
      } catch {
        setError(`${file.name} could not be read. Is it a folder?`);
      }
    }
  }

  function remove(key: number) {
    setItems(current => current.filter(item => item.key !== key));
    setError('');
  }

  function clear() {
    setItems([]);
    setError('');
  }

  return { items, error, add, remove, clear };
}
