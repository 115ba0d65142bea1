"use client";

import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { type SubmitEvent, useState } from "react";

/** A chat with the server at that address; the empty one is this site's own. */
export function Chat({ server }: { server: string }) {
  const { id, messages, sendMessage, status, stop, error } = useChat({
    transport: new DefaultChatTransport({ api: `${server}/api/chat` }),
  });
  const [text, setText] = useState("");
  const busy = status === "submitted" || status === "streaming";

  function send(event: SubmitEvent) {
    event.preventDefault();
    sendMessage({ text });
    setText("");
  }

  function end() {
    stop();
    // Only where answers outlive their page (`resume`, a store): there, stop() is but a hang-up.
    fetch(`${server}/api/chat/${encodeURIComponent(id)}/stop`, {
      method: "POST",
      body: JSON.stringify({ messageId: messages.at(-1)?.id }),
    });
  }

  return (
    <main>
      {messages.map((message) => (
        <p key={message.id} data-role={message.role} style={{ whiteSpace: "pre-wrap" }}>
          <b>{message.role}: </b>
          {message.parts.map((part) => (part.type === "text" ? part.text : ""))}
        </p>
      ))}
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={send}>
        <input
          aria-label="Message"
          required
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        {/* Two buttons to React, too: one that turned into the other under the click would submit. */}
        {busy ? (
          <button key="stop" type="button" onClick={end}>
            Stop
          </button>
        ) : (
          <button key="send" type="submit">
            Send
          </button>
        )}
      </form>
    </main>
  );
}
