import { useState } from 'react';
import type { ChatSummary } from '../api/chats';
import { DeleteIcon, EditIcon } from '../ui/icons';
import { RenameChatForm } from './RenameChatForm';

type Props = {
  chat: ChatSummary;
  isCurrent: boolean;
  onOpen: () => void;
  onRename: (title: string) => void;
  onDelete: () => void;
};

/** A chat in the list, with buttons to open, rename and (after confirmation) delete it. */
export function ChatListItem({ chat, isCurrent, onOpen, onRename, onDelete }: Props) {
  const [mode, setMode] = useState<'view' | 'rename' | 'delete'>('view');
  const title = chat.title || 'New chat';

  if (mode === 'rename') {
    return (
      <li>
        <RenameChatForm
          initialTitle={title}
          onClose={newTitle => {
            setMode('view');
            if (newTitle) onRename(newTitle);
          }}
        />
      </li>
    );
  }
  if (mode === 'delete') {
    return (
      <li className="delete-confirmation" role="group" aria-label={`Delete ${title}?`}>
        <span>Delete chat?</span>
        <button type="button" className="danger" autoFocus onClick={onDelete}>
          Delete
        </button>
        <button type="button" onClick={() => setMode('view')}>
          Cancel
        </button>
      </li>
    );
  }
  return (
    <li className="chat-item" data-current={isCurrent}>
      <button
        type="button"
        className="chat-title"
        title={title}
        aria-current={isCurrent ? 'page' : undefined}
        onClick={onOpen}
      >
        <span>{title}</span>
        {chat.activeRunId && (
          <i className="running-indicator" role="img" aria-label="Generating a response" />
        )}
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={`Rename ${title}`}
        title="Rename"
        onClick={() => setMode('rename')}
      >
        <EditIcon />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={`Delete ${title}`}
        title="Delete"
        onClick={() => setMode('delete')}
      >
        <DeleteIcon />
      </button>
    </li>
  );
}
