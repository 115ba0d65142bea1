import { useState } from 'react';
import { useChatActions } from '../message/chatActions';
import type { ToolPart } from '../message/partGroups';

type Props = { approval: Extract<ToolPart, { state: 'approval-requested' }>['approval'] };

/** Asks the user to approve or deny a tool call. The reason is sent to the model. */
export function ToolApproval({ approval }: Props) {
  const { respondToApproval } = useChatActions();
  const [reason, setReason] = useState('');
  const respond = (approved: boolean) =>
    respondToApproval(approval.id, approved, reason.trim() || undefined);

  return (
    // Not a form: Enter in the reason field must not submit a decision.
    <div className="tool-approval" role="group" aria-label="Approval">
      <p>{approval.requestReason ?? 'The model wants to run this tool.'}</p>
      <input
        type="text"
        value={reason}
        placeholder="Reason, sent to the model (optional)"
        aria-label="Reason"
        onChange={event => setReason(event.target.value)}
      />
      <div className="buttons">
        <button type="button" onClick={() => respond(false)}>
          Deny
        </button>
        <button type="button" className="primary" onClick={() => respond(true)}>
          Approve
        </button>
      </div>
    </div>
  );
}
