import { type DragEvent, useState } from 'react';

const hasFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files');

/** Return props for an element that accepts dropped files, and whether files are dragged over it. */
export function useFileDrop(onFiles: (files: FileList) => void) {
  // The browser fires an enter and a leave event for every child element that the pointer crosses.
  const [enterDepth, setEnterDepth] = useState(0);
  const dropProps = {
    onDragEnter(event: DragEvent) {
      if (hasFiles(event)) setEnterDepth(depth => depth + 1);
    },
    onDragLeave(event: DragEvent) {
      if (hasFiles(event)) setEnterDepth(depth => depth - 1);
    },
    onDragOver(event: DragEvent) {
      if (hasFiles(event)) event.preventDefault();
    },
    onDrop(event: DragEvent) {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setEnterDepth(0);
      onFiles(event.dataTransfer.files);
    },
  };
  return { dropProps, isDraggingOver: enterDepth > 0 };
}
