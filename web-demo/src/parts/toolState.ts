import type { ToolPart } from '../message/groups';

type Tone = 'running' | 'asking' | 'done' | 'failed' | 'idle';

/** What is to be said of a call, and in which colour. */
export function describe(part: ToolPart, active: boolean): { text: string; tone: Tone } {
  switch (part.state) {
    case 'input-streaming':
      return active ? { text: 'Writing input', tone: 'running' } : NOT_RUN;
    case 'input-available':
      return active ? { text: 'Running', tone: 'running' } : NOT_RUN;
    case 'output-available':
      return isPreliminary(part) && active
        ? { text: 'Running', tone: 'running' }
        : { text: 'Done', tone: 'done' };
    case 'output-error':
      return { text: 'Failed', tone: 'failed' };
    case 'approval-requested':
      return { text: 'Needs your approval', tone: 'asking' };
    case 'approval-responded':
      return part.approval.approved
        ? { text: 'Approved', tone: 'running' }
        : { text: 'Denied', tone: 'idle' };
    case 'output-denied':
      return { text: 'Denied', tone: 'idle' };
  }
}

const NOT_RUN = { text: 'Not run', tone: 'idle' } as const;

/** Whether a better output will follow. */
export function isPreliminary(part: ToolPart): boolean {
  return part.state === 'output-available' && part.preliminary === true;
}
