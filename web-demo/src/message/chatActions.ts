import type { FileUIPart } from 'ai';
import { createContext, use } from 'react';

/** What a user can do with a message of the enclosing chat. */
export type ChatActions = {
  /** opens a user message for editing; null closes the form */
  setEditingId: (messageId: string | null) => void;
  /** sends an edited user message and drops all that followed the original */
  resend: (messageId: string, text: string, files: FileUIPart[]) => void;
  /** requests another response in place of this assistant message */
  regenerate: (messageId: string) => void;
  /** approves or denies a tool call */
  respondToApproval: (approvalId: string, approved: boolean, reason?: string) => void;
};

export const ChatActionsContext = createContext<ChatActions | null>(null);

export function useChatActions(): ChatActions {
  const actions = use(ChatActionsContext);
  if (!actions) throw new Error('useChatActions requires a ChatActionsContext');
  return actions;
}
