import { useState } from 'react';

type Props = {
  title: string;
  /** with the new title, or with nothing if it stays as it is */
  onDone: (title?: string) => void;
};

/** Enter or leaving the field keeps the new title, Escape the old one. */
export function RenameForm({ title: before, onDone }: Props) {
  const [title, setTitle] = useState(before);
  const changed = title.trim() && title.trim() !== before ? title.trim() : undefined;
  return (
    <form
      onSubmit={event => {
        event.preventDefault();
        onDone(changed);
      }}
    >
      <input
        type="text"
        autoFocus
        value={title}
        maxLength={200}
        aria-label="Title"
        onFocus={event => event.target.select()}
        onChange={event => setTitle(event.target.value)}
        onBlur={() => onDone(changed)}
        onKeyDown={event => {
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          onDone();
        }}
      />
    </form>
  );
}
