import { FileCard } from '../attachments/FileCard';
import type { DemoMessage } from '../tools';
import { CopyButton } from '../ui/CopyButton';
import { EditIcon } from '../ui/icons';
import { EditForm } from './EditForm';
import { textOf } from './text';
import { useActions } from './useActions';

type Props = { message: DemoMessage; editing: boolean; busy: boolean };

/** What the person said, with the files that came with it. */
export function Question({ message, editing, busy }: Props) {
  const { edit } = useActions();
  const text = textOf(message);
  const files = message.parts.filter(part => part.type === 'file');
  if (editing) return <EditForm id={message.id} text={text} files={files} />;
  return (
    <>
      {files.length > 0 && (
        <div className="files">
          {files.map((part, index) => (
            <FileCard key={index} part={part} />
          ))}
        </div>
      )}
      {text && <p className="said">{text}</p>}
      <div className="message-bar" role="toolbar" aria-label="Question">
        <CopyButton text={text} />
        <button
          type="button"
          className="icon-button"
          aria-label="Edit"
          title="Edit"
          disabled={busy}
          onClick={() => edit(message.id)}
        >
          <EditIcon />
        </button>
      </div>
    </>
  );
}
