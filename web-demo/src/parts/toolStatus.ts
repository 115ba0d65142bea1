import type { ToolPart } from '../message/partGroups';

/** Decides how a status is highlighted. */
type Tone = 'running' | 'approval' | 'done' | 'failed' | 'idle';

/** Return the status of a tool call as a label and a tone. */
export function toolStatus(part: ToolPart, streaming: boolean): { label: string; tone: Tone } {
  switch (part.state) {
    case 'input-streaming':
      return streaming ? { label: 'Receiving input', tone: 'running' } : NOT_RUN;
    case 'input-available':
      return streaming ? { label: 'Running', tone: 'running' } : NOT_RUN;
    case 'output-available':
      return isPreliminary(part) && streaming
        ? { label: 'Running', tone: 'running' }
        : { label: 'Done', tone: 'done' };
    case 'output-error':
      return { label: 'Failed', tone: 'failed' };
    case 'approval-requested':
      return { label: 'Needs your approval', tone: 'approval' };
    case 'approval-responded':
      return part.approval.approved
        ? { label: 'Approved', tone: 'running' }
        : { label: 'Denied', tone: 'idle' };
    case 'output-denied':
      return { label: 'Denied', tone: 'idle' };
  }
}

const NOT_RUN = { label: 'Not run', tone: 'idle' } as const;

/** Whether the output will be replaced by a later one. */
export function isPreliminary(part: ToolPart): boolean {
  return part.state === 'output-available' && part.preliminary === true;
}
