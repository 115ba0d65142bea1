import type { UIDataTypes, UIMessage } from 'ai';
import type { ClientTools } from './clientTools';

/** The metadata that the server attaches to an assistant message. */
export type MessageMetadata = {
  usage?: { inputTokens?: number; outputTokens?: number; steps?: { model?: string }[] };
  /** how the run ended */
  outcome?: 'finished' | 'waiting' | 'aborted' | 'interrupted' | 'failed';
  /** seconds from when the server accepted the turn to when each of these happened */
  seconds?: { called?: number; first_read?: number; first_token?: number; last_read?: number };
};

export type DemoMessage = UIMessage<MessageMetadata, UIDataTypes, ClientTools>;
export type MessagePart = DemoMessage['parts'][number];
