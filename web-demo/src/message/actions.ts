import type { FileUIPart } from 'ai';
import { createContext } from 'react';

/** What a person can do to a message of the chat around. */
export type Actions = {
  /** opens a question for editing; null closes it */
  edit: (messageId: string | null) => void;
  /** asks the edited question instead, and drops what came after it */
  save: (messageId: string, text: string, files: FileUIPart[]) => void;
  /** asks for another answer */
  regenerate: (messageId: string) => void;
  /** allows or refuses a tool call */
  decide: (approvalId: string, approved: boolean, reason?: string) => void;
};

export const ActionsContext = createContext<Actions | null>(null);
