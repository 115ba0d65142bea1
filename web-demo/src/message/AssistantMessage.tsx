import { useMemo } from 'react';
import type { DemoMessage } from '../messageTypes';
import { CopyButton } from '../ui/CopyButton';
import { RegenerateIcon } from '../ui/icons';
import { useChatActions } from './chatActions';
import { messageText } from './messageText';
import { PartGroupView } from './PartGroupView';
import { groupParts } from './partGroups';
import { SourceList, SourcesContext } from './SourceList';
import { TokenUsage } from './TokenUsage';
import { TypingIndicator } from './TypingIndicator';

type Props = { message: DemoMessage; streaming: boolean; busy: boolean };

/** An assistant message: its parts, its sources, and a toolbar once it is complete. */
export function AssistantMessage({ message, streaming, busy }: Props) {
  const { regenerate } = useChatActions();
  const { parts, metadata } = message;
  const { groups, sources } = useMemo(() => groupParts(parts), [parts]);
  const text = messageText(message);
  const hasOpenPart = parts.some(part => 'state' in part && part.state?.endsWith('streaming'));
  const isStopped = !streaming && (hasOpenPart || metadata?.outcome === 'aborted');

  return (
    <SourcesContext value={sources}>
      {groups.map((group, index) => (
        <PartGroupView key={index} group={group} streaming={streaming} />
      ))}
      <SourceList sources={sources} />
      {streaming && !hasOpenPart && <TypingIndicator />}
      {isStopped && <p className="stopped">Stopped</p>}
      {!streaming && (
        <div className="message-toolbar" role="toolbar" aria-label="Response actions">
          {text && <CopyButton text={text} />}
          <button
            type="button"
            className="icon-button"
            aria-label="Regenerate"
            title="Regenerate"
            disabled={busy}
            onClick={() => regenerate(message.id)}
          >
            <RegenerateIcon />
          </button>
          <TokenUsage metadata={metadata} />
        </div>
      )}
    </SourcesContext>
  );
}
