import { useState } from 'react';
import { type Attachment, attach, MOST_BYTES, readableSize } from './files';

export type Attachments = ReturnType<typeof useAttachments>;

/** The files that go with the next message. */
export function useAttachments() {
  const [items, setItems] = useState<Attachment[]>([]);
  const [problem, setProblem] = useState('');

  async function add(files: Iterable<File>) {
    setProblem('');
    let room = MOST_BYTES - items.reduce((bytes, { size }) => bytes + size, 0);
    for (const file of files) {
      if (file.size > room) {
        const most = readableSize(MOST_BYTES);
        setProblem(`${file.name} is too large: a message can carry ${most} of files.`);
        continue;
      }
      room -= file.size;
      try {
        const item = await attach(file);
        setItems(before => [...before, item]);
      } catch {
        setProblem(`${file.name} cannot be read. Is it a folder?`);
      }
    }
  }

  function remove(key: number) {
    setItems(before => before.filter(item => item.key !== key));
    setProblem('');
  }

  function clear() {
    setItems([]);
    setProblem('');
  }

  return { items, problem, add, remove, clear };
}
