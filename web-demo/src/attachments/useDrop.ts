import { type DragEvent, useState } from 'react';

const hasFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files');

/** Props for an element that takes dropped files, and whether some are above it right now. */
export function useDrop(onFiles: (files: FileList) => void) {
  // Each child that the pointer crosses is left and entered.
  const [depth, setDepth] = useState(0);
  const props = {
    onDragEnter(event: DragEvent) {
      if (hasFiles(event)) setDepth(before => before + 1);
    },
    onDragLeave(event: DragEvent) {
      if (hasFiles(event)) setDepth(before => before - 1);
    },
    onDragOver(event: DragEvent) {
      if (hasFiles(event)) event.preventDefault();
    },
    onDrop(event: DragEvent) {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setDepth(0);
      onFiles(event.dataTransfer.files);
    },
  };
  return { props, over: depth > 0 };
}
