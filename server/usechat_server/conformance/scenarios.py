"""The scenarios as data: what a client does, and what the backend has to show for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ui_message_stream.versions import (
    NEWEST_CLIENT_VERSION,
    OLDEST_CLIENT_VERSION,
    ClientVersion,
)

from usechat_server.conformance import bodies
from usechat_server.conformance.step_types import (
    Accept,
    Decide,
    Edit,
    ForgeApproval,
    HangUp,
    Refuse,
    Regenerate,
    Reload,
    ResumeNothing,
    SendMessage,
    SendOutputs,
    Step,
    Stop,
)

__all__ = ["SCENARIOS", "SCRIPTS", "Scenario"]

_APPROVALS_SINCE = ClientVersion(6)


@dataclass(frozen=True)
class Scenario:
    """What a client does.

    Attributes:
        name: The name.
        purpose: What is judged, in one line.
        script: What the user's text asks of the backend: "conformance: SCRIPT". See `SCRIPTS`.
        steps: What the client does, in order.
        since: The oldest client that can take part in it.
    """

    name: str
    purpose: str
    script: str
    steps: tuple[Step, ...]
    since: ClientVersion = OLDEST_CLIENT_VERSION


#: Script -> what the backend does when the user's text is "conformance: SCRIPT".
SCRIPTS: Mapping[str, str] = {
    "text": "says something",
    "reasoning": "thinks, then says something",
    "tool": "calls a tool that the server runs and that returns something, then says something",
    "nothing": "calls a tool that the server runs and that returns nothing, then says something",
    "failing": "calls a tool that the server runs and that fails with the text "
    "`conformance-secret`, then says something",
    "client-tool": "calls a tool that the client runs; with its output, says something",
    "approval": "calls a tool that requires approval; when the user has decided, says something",
    "error-before": "the model provider fails before it has sent anything, with the text "
    "`conformance-secret`",
    "error-after": "the model says something with the word `scripted`, then the provider fails "
    "with the text `conformance-secret`",
    "cut": "the model says something with the word `scripted`, then its connection ends without "
    "the end of the response",
    "long": "says something with the word `scripted`, in ten pieces or more over two seconds",
    "long-input": "calls a tool with an input that arrives over two seconds or more",
    "silence N": "says something with the word `scripted` after N seconds of silence",
    "data": "sends a `data-NAME` chunk, and says something",
    "metadata": "sends message metadata, and says something",
}

_FILES = (
    {
        "type": "file",
        "mediaType": "text/plain",
        "filename": "note.txt",
        "url": "data:text/plain;base64,SGVsbG8=",
    },
    {
        "type": "file",
        "mediaType": "image/png",
        "filename": "dot.png",
        "url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
        "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    },
)

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("text", "A text.", "text", (SendMessage(judge=("message-id",)),)),
        Scenario(
            "headers",
            "The headers of a response.",
            "text",
            (SendMessage(judge=("content-type", "protocol-header", "buffering-headers")),),
        ),
        Scenario(
            "history", "The second message of a chat.", "text", (SendMessage(), SendMessage())
        ),
        Scenario(
            "reasoning",
            "Reasoning, which the client sends back.",
            "reasoning",
            (SendMessage("reasoning"), SendMessage("reasoning")),
        ),
        Scenario(
            "tool-loop",
            "A tool, and another step with its output.",
            "tool",
            (SendMessage("call", ("tool-output",)), SendMessage("call", ("tool-output",))),
        ),
        Scenario(
            "tool-nothing",
            "A tool that returns nothing.",
            "nothing",
            (SendMessage("call", ("tool-output",)),),
        ),
        Scenario(
            "tool-failure",
            "A tool that fails.",
            "failing",
            (SendMessage("call", ("tool-failure", "error-private"), may_fail=True),),
        ),
        Scenario(
            "client-tool",
            "A tool that the client runs, and the continuation with its output.",
            "client-tool",
            (SendMessage("client call"), SendOutputs()),
        ),
        Scenario(
            "approval",
            "A tool that the user approves.",
            "approval",
            (SendMessage("approval"), Decide(approved=True)),
            since=_APPROVALS_SINCE,
        ),
        Scenario(
            "denial",
            "A tool that the user denies.",
            "approval",
            (SendMessage("approval"), Decide(approved=False)),
            since=_APPROVALS_SINCE,
        ),
        Scenario(
            "forged-approval",
            "An approval of a call that the backend never made.",
            "approval",
            (SendMessage("approval"), ForgeApproval()),
            since=_APPROVALS_SINCE,
        ),
        Scenario(
            "error-before",
            "A model that fails at once.",
            "error-before",
            (SendMessage("failure", ("error-private", "refusal-text"), may_fail=True),),
        ),
        Scenario(
            "error-after",
            "A model that fails in its response.",
            "error-after",
            (SendMessage("marker", ("error-shown", "error-private"), may_fail=True),),
        ),
        Scenario(
            "cut",
            "A model whose response is cut.",
            "cut",
            (SendMessage("marker", ("cut-shown",), may_fail=True),),
        ),
        Scenario(
            "streaming",
            "A response that takes time.",
            "long",
            (SendMessage("time", judge=("streaming",)),),
        ),
        Scenario(
            "silence",
            "A model that is silent for long.",
            "silence N",
            (SendMessage("marker", ("keep-alive",)),),
        ),
        Scenario(
            "stop",
            "Stop in a text, then the next message.",
            "long",
            (HangUp("text-delta"), SendMessage()),
        ),
        Scenario(
            "stop-in-tool-input",
            "Stop in the input of a tool, then the next message.",
            "long-input",
            (HangUp("tool-input-delta"), SendMessage("call")),
        ),
        Scenario("stop-route", "A request to the stop route.", "long", (Stop(),)),
        Scenario("reload", "A page that is loaded again during a response.", "long", (Reload(),)),
        Scenario(
            "resume-nothing",
            "A page of a chat without a running response.",
            "long",
            (Reload(), ResumeNothing()),
        ),
        Scenario(
            "regenerate",
            "Another response to the same message.",
            "text",
            (SendMessage(), Regenerate()),
        ),
        Scenario("edit", "An edited message.", "text", (SendMessage(), SendMessage(), Edit())),
        Scenario(
            "attachments",
            "A text file and an image.",
            "text",
            (SendMessage(files=_FILES), SendMessage()),
        ),
        Scenario(
            "metadata",
            "Metadata of the user's message and of the response.",
            "metadata",
            (
                SendMessage("metadata", metadata={"createdAt": 1, "tags": ["a"]}),
                SendMessage("metadata"),
            ),
        ),
        Scenario(
            "data-parts",
            "Data of the app in a response.",
            "data",
            (SendMessage("data"), SendMessage("data")),
        ),
        Scenario(
            "hostile-bodies", "Bodies that are no chat requests.", "text", (Refuse(bodies.HOSTILE),)
        ),
        Scenario(
            "unknown-fields",
            "Fields and parts that the backend does not know.",
            "text",
            (Accept(bodies.UNKNOWN),),
        ),
        Scenario(
            "oldest-clients", "What clients of AI SDK 5.0.0 send.", "text", (Accept(bodies.OLDEST),)
        ),
        Scenario(
            "newest-clients",
            "What clients of AI SDK 7.0.173 send.",
            "text",
            (Accept(bodies.NEWEST),),
            since=NEWEST_CLIENT_VERSION,
        ),
    )
}
