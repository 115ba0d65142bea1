import { useState } from 'react';
import type { ToolPart } from '../message/groups';
import { useActions } from '../message/useActions';

type Props = { approval: Extract<ToolPart, { state: 'approval-requested' }>['approval'] };

/** Asks the person whether a tool may run. The reason is told to the model. */
export function Approval({ approval }: Props) {
  const { decide } = useActions();
  const [reason, setReason] = useState('');
  const answer = (approved: boolean) => decide(approval.id, approved, reason.trim() || undefined);

  return (
    // No form: Enter in the reason must not decide anything.
    <div className="approval" role="group" aria-label="Approval">
      <p>{approval.requestReason ?? 'The model wants to do this, and waits for you.'}</p>
      <input
        type="text"
        value={reason}
        placeholder="Reason, for the model (optional)"
        aria-label="Reason"
        onChange={event => setReason(event.target.value)}
      />
      <div className="buttons">
        <button type="button" onClick={() => answer(false)}>
          Deny
        </button>
        <button type="button" className="primary" onClick={() => answer(true)}>
          Approve
        </button>
      </div>
    </div>
  );
}
