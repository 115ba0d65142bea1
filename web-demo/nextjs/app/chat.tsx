"use client";

import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { type SubmitEvent, useState } from "react";

/** A chat with the Python server at `serverUrl`. An empty URL means the origin of this site. */
export function Chat({ serverUrl }: { serverUrl: string }) {
  const { id, messages, sendMessage, status, stop, error } = useChat({
    transport: new DefaultChatTransport({ api: `${serverUrl}/api/chat` }),
  });
  const [text, setText] = useState("");
  const busy = status === "submitted" || status === "streaming";

  function onSubmit(event: SubmitEvent) {
    event.preventDefault();
    sendMessage({ text });
    setText("");
  }

  function onStop() {
    stop();
    // Needed only if runs continue without a client (with a store, or with USECHAT_RESUME set): in
    // that case stop() closes the connection, but the run goes on.
    fetch(`${serverUrl}/api/chat/${encodeURIComponent(id)}/stop`, {
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
      <form onSubmit={onSubmit}>
        <input
          aria-label="Message"
          required
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        {/* The keys make two buttons of them: a single one would turn into the submit button during
            the click on Stop, and submit the form. */}
        {busy ? (
          <button key="stop" type="button" onClick={onStop}>
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
