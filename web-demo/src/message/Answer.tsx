import { useMemo } from 'react';
import type { DemoMessage } from '../tools';
import { CopyButton } from '../ui/CopyButton';
import { RedoIcon } from '../ui/icons';
import { GroupView } from './GroupView';
import { groupParts } from './groups';
import { Sources, SourcesContext } from './Sources';
import { textOf } from './text';
import { Usage } from './Usage';
import { useActions } from './useActions';
import { Waiting } from './Waiting';

type Props = { message: DemoMessage; active: boolean; busy: boolean };

/** What the model said and did. */
export function Answer({ message, active, busy }: Props) {
  const { regenerate } = useActions();
  const { parts, metadata } = message;
  const { groups, sources } = useMemo(() => groupParts(parts), [parts]);
  const text = textOf(message);
  const open = parts.some(part => 'state' in part && part.state?.endsWith('streaming'));
  const stopped = !active && (open || metadata?.outcome === 'aborted');

  return (
    <SourcesContext value={sources}>
      {groups.map((group, index) => (
        <GroupView key={index} group={group} active={active} />
      ))}
      <Sources sources={sources} />
      {active && !open && <Waiting />}
      {stopped && <p className="stopped">Stopped</p>}
      {!active && (
        <div className="message-bar" role="toolbar" aria-label="Answer">
          {text && <CopyButton text={text} />}
          <button
            type="button"
            className="icon-button"
            aria-label="Answer again"
            title="Answer again"
            disabled={busy}
            onClick={() => regenerate(message.id)}
          >
            <RedoIcon />
          </button>
          <Usage metadata={metadata} />
        </div>
      )}
    </SourcesContext>
  );
}
