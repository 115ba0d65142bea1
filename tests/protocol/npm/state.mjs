// What AbstractChat requires, without a UI framework.

export const question = { id: 'question', role: 'user', parts: [{ type: 'text', text: 'Hello' }] };

/** The smallest state that AbstractChat accepts. */
export class State {
  status = 'ready';
  error;
  messages;

  constructor(messages) {
    this.messages = messages;
  }
  pushMessage(message) {
    this.messages.push(message);
  }
  popMessage() {
    this.messages.pop();
  }
  replaceMessage(index, message) {
    this.messages[index] = this.snapshot(message); // as that of React
  }
  snapshot(value) {
    return structuredClone(value);
  }
}
