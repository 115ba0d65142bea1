import { FileCard } from '../attachments/FileCard';
import type { DemoMessage } from '../messageTypes';
import { CopyButton } from '../ui/CopyButton';
import { EditIcon } from '../ui/icons';
import { useChatActions } from './chatActions';
import { EditMessageForm } from './EditMessageForm';
import { messageText } from './messageText';

type Props = { message: DemoMessage; editing: boolean; busy: boolean };

/** A user message and its attached files. */
export function UserMessage({ message, editing, busy }: Props) {
  const { setEditingId } = useChatActions();
  const text = messageText(message);
  const files = message.parts.filter(part => part.type === 'file');
  if (editing) return <EditMessageForm messageId={message.id} initialText={text} files={files} />;
  return (
    <>
      {files.length > 0 && (
        <div className="files">
          {files.map((part, index) => (
            <FileCard key={index} part={part} />
          ))}
        </div>
      )}
      {text && <p className="message-bubble">{text}</p>}
      <div className="message-toolbar" role="toolbar" aria-label="Message actions">
        <CopyButton text={text} />
        <button
          type="button"
          className="icon-button"
          aria-label="Edit"
          title="Edit"
          disabled={busy}
          onClick={() => setEditingId(message.id)}
        >
          <EditIcon />
        </button>
      </div>
    </>
  );
}
