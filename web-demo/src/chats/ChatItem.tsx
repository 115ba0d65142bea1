import { useState } from 'react';
import { DeleteIcon, EditIcon } from '../ui/icons';
import type { ChatInfo } from './api';
import { RenameForm } from './RenameForm';

type Props = {
  chat: ChatInfo;
  current: boolean;
  onOpen: () => void;
  onRename: (title: string) => void;
  onDelete: () => void;
};

/** A chat in the list: opens it, renames it, deletes it when asked twice. */
export function ChatItem({ chat, current, onOpen, onRename, onDelete }: Props) {
  const [mode, setMode] = useState<'shown' | 'renaming' | 'deleting'>('shown');
  const title = chat.title || 'New chat';

  if (mode === 'renaming') {
    return (
      <li>
        <RenameForm
          title={title}
          onDone={renamed => {
            setMode('shown');
            if (renamed) onRename(renamed);
          }}
        />
      </li>
    );
  }
  if (mode === 'deleting') {
    return (
      <li className="deleting" role="group" aria-label={`Delete ${title}?`}>
        <span>Delete it?</span>
        <button type="button" className="danger" autoFocus onClick={onDelete}>
          Delete
        </button>
        <button type="button" onClick={() => setMode('shown')}>
          Keep
        </button>
      </li>
    );
  }
  return (
    <li className="chat-item" data-current={current}>
      <button
        type="button"
        className="chat-title"
        title={title}
        aria-current={current ? 'page' : undefined}
        onClick={onOpen}
      >
        <span>{title}</span>
        {chat.activeRunId && <i className="running" role="img" aria-label="Answering" />}
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={`Rename ${title}`}
        title="Rename"
        onClick={() => setMode('renaming')}
      >
        <EditIcon />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={`Delete ${title}`}
        title="Delete"
        onClick={() => setMode('deleting')}
      >
        <DeleteIcon />
      </button>
    </li>
  );
}
