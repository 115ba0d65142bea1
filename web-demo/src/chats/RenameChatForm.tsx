import { useState } from 'react';

type Props = {
  initialTitle: string;
  /** called with the new title, or without one if the title stays the same */
  onClose: (newTitle?: string) => void;
};

/** A field for a chat's title. Enter and leaving the field save it, Escape cancels. */
export function RenameChatForm({ initialTitle, onClose }: Props) {
  const [title, setTitle] = useState(initialTitle);
  const trimmed = title.trim();
  const newTitle = trimmed && trimmed !== initialTitle ? trimmed : undefined;
  return (
    <form
      onSubmit={event => {
        event.preventDefault();
        onClose(newTitle);
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
        onBlur={() => onClose(newTitle)}
        onKeyDown={event => {
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          onClose();
        }}
      />
    </form>
  );
}
