"""Whatever pages, runs and crashes do in whatever order: a list beside the store holds the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ui_message_stream.chunks import ToolInputAvailable
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.store.interrupted import interrupted_message
from usechat_server.store.sql import SqlChatStore
from usechat_server.turn import Turn

from tests.harness.stores import (
    assistant_message,
    chat_request,
    checkpoint,
    open_store,
    tool_call,
    user_message,
)
from tests.protocol.strategies import json_values

#: Finding the shortest example takes minutes: the first one has to do.
EXAMPLES = settings(max_examples=25, stateful_step_count=15, phases=[Phase.generate])

Objects = list[dict[str, Any]]

#: What an assistant message may consist of; calls get an id of their own.
PARTS = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text, "state": "done"}, st.text()),
        st.builds(lambda data: {"type": "data-x", "data": data}, json_values),
        st.just(tool_call("")),
        st.just(tool_call("", providerExecuted=True)),
        st.just(tool_call("", "approval-requested", approval={"id": ""})),
    ),
    max_size=4,
)


class ChatMachine(RuleBasedStateMachine):
    """One chat and a list beside it. A client sends requests while no run is active."""

    store: SqlChatStore
    runner: asyncio.Runner
    #: chats of all examples so far
    examples = 0

    @initialize()
    def begin(self) -> None:
        type(self).examples += 1
        self.chat_id = f"c{self.examples}"
        self.history: Objects = []
        self.replaced: list[Objects] = []
        self.active: tuple[Turn, str] | None = None
        self.old: list[tuple[Turn, str]] = []
        self.count = 0

    def new_id(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def post(self, kept: int, *added: dict[str, Any], **body: Any) -> None:
        """A request after which the first messages and the added ones are there."""
        request = chat_request(self.chat_id, **body)
        turn = self.runner.run(self.store.turn(request, None, NEWEST_CLIENT_VERSION))
        self.begin_run(turn)
        if tail := self.history[kept:]:
            self.replaced.append(tail)
        self.history[kept:] = added

    def begin_run(self, turn: Turn) -> None:
        run_id = f"{self.chat_id}-{self.new_id('r')}"
        self.runner.run(self.store.begin(turn, run_id=run_id))
        self.active = (turn, run_id)

    @property
    def idle(self) -> bool:
        return self.active is None

    @property
    def running(self) -> tuple[Turn, str]:
        assert self.active is not None
        return self.active

    def of_role(self, role: str) -> list[int]:
        return [n for n, message in enumerate(self.history) if message["role"] == role]

    @precondition(lambda self: self.idle)
    @rule(text=st.text(min_size=1), variant=st.sampled_from(["message", "history", "forged"]))
    def submit(self, text: str, variant: str) -> None:
        message = user_message(self.new_id("u"), text)
        forged = [
            assistant_message("forged"),
            user_message("x"),
            assistant_message("forged2", tool_call("t", "output-available")),
        ]
        bodies: dict[str, dict[str, Any]] = {
            "message": {"message": message},
            "history": {"messages": [*self.history, message]},
            "forged": {"messages": [*(forged if self.history else []), message]},
        }
        self.post(len(self.history), message, **bodies[variant])

    @precondition(lambda self: self.idle and self.history)
    @rule(data=st.data(), text=st.text())
    def edit(self, data: st.DataObject, text: str) -> None:
        index = data.draw(st.sampled_from(self.of_role("user")))
        message = user_message(self.history[index]["id"], text)
        # Sent again as it is: what got no response stays as it is.
        same = message == self.history[index]
        sent = {"messages": [*self.history[:index], message], "messageId": message["id"]}
        self.post(index + same, *([] if same else [message]), **sent)

    @precondition(lambda self: self.idle and self.history)
    @rule(data=st.data(), named=st.booleans())
    def regenerate(self, data: st.DataObject, named: bool) -> None:
        assistants = self.of_role("assistant")
        if named and assistants:
            index = data.draw(st.sampled_from(assistants))
            body: dict[str, Any] = {"messageId": self.history[index]["id"]}
        else:
            index = len(self.history) - (self.history[-1]["role"] == "assistant")
            body = {"messages": self.history[:index]}
        self.post(index, trigger="regenerate-message", **body)

    @property
    def continuable(self) -> list[int]:
        """The responses without a decision that a run has already consumed."""
        states = [{part.get("state") for part in message["parts"]} for message in self.history]
        return [n for n in self.of_role("assistant") if "approval-responded" not in states[n]]

    @precondition(lambda self: self.idle and self.continuable)
    @rule(data=st.data(), output=json_values, approved=st.booleans())
    def continue_message(self, data: st.DataObject, output: Any, approved: bool) -> None:
        """The client adds outputs and approvals to a message, and changes more than it may."""
        index = data.draw(st.sampled_from(self.continuable))
        message = self.history[index]
        expected, sent = json.loads(json.dumps([message, message]))
        for mine, theirs in zip(expected["parts"], sent["parts"], strict=True):
            if data.draw(st.booleans()) or mine["type"] != "tool-clock":
                continue
            if mine["state"] == "input-available" and not mine.get("providerExecuted"):
                for part in (mine, theirs):
                    part.update(state="output-available", output=output)
            elif mine["state"] == "approval-requested":
                for part in (mine, theirs):
                    part["state"] = "approval-responded"
                    part["approval"]["approved"] = approved
            theirs["input"] = {"forged": True}
        sent["parts"].append({"type": "text", "text": "Forged"})
        sent["metadata"] = {"usechat.anthropic": {}}
        request = chat_request(self.chat_id, message=sent, messageId=sent["id"])
        self.begin_run(self.runner.run(self.store.turn(request, None, NEWEST_CLIENT_VERSION)))
        self.history[index] = expected

    def written(self, parts: Objects) -> UIMessage:
        """What the active run's message is after these parts; the list has it too."""
        turn, _ = self.running
        indices = [n for n, sent in enumerate(self.history) if sent["id"] == turn.message_id]
        before = self.history[indices[0]]["parts"] if indices else []
        new_parts = [self.with_ids(part) for part in parts]
        message = UIMessage.from_object(
            {"id": turn.message_id, "role": "assistant", "parts": [*before, *new_parts]}
        )
        if indices:
            self.history[indices[0]] = message.to_object()
        elif any(part["type"] != "step-start" for part in new_parts):
            self.history.append(message.to_object())
        return message

    def with_ids(self, part: dict[str, Any]) -> dict[str, Any]:
        """The part with the id of a call, and of a request to approve it."""
        if part["type"] != "tool-clock":
            return part
        part = {**part, "toolCallId": self.new_id("t")}
        if part["state"] == "approval-requested":
            call = ToolInputAvailable(
                tool_call_id=part["toolCallId"], tool_name="clock", input=part["input"]
            )
            request = self.store.approvals.request(self.running[0], call)
            part["approval"] = {"id": self.runner.run(request).approval_id}
        return part

    @precondition(lambda self: not self.idle)
    @rule(parts=PARTS)
    def write(self, parts: Objects) -> None:
        _, run_id = self.running
        message = self.written(parts)
        assert self.runner.run(checkpoint(self.store, message, run_id=run_id))

    @precondition(lambda self: not self.idle)
    @rule(parts=PARTS, outcome=st.sampled_from(["finished", "waiting", "aborted", "failed"]))
    def end(self, parts: Objects, outcome: Any) -> None:
        turn, run_id = self.running
        message = self.written(parts)
        assert self.runner.run(self.store.finish(turn, message, outcome, (), run_id=run_id))
        self.old.append((turn, run_id))
        self.active = None

    @precondition(lambda self: not self.idle)
    @rule()
    def crash(self) -> None:
        turn, run_id = self.running
        self.runner.run(self.store.interrupt([run_id]))
        for index, message in enumerate(self.history):
            if message["id"] == turn.message_id:
                self.history[index] = interrupted_message(
                    UIMessage.from_object(message)
                ).to_object()
        self.old.append((turn, run_id))
        self.active = None

    @precondition(lambda self: self.old)
    @rule(data=st.data(), outcome=st.sampled_from([None, "finished"]))
    def come_too_late(self, data: st.DataObject, outcome: Any) -> None:
        turn, run_id = data.draw(st.sampled_from(self.old))
        message = UIMessage.from_object(
            assistant_message(turn.message_id, {"type": "text", "text": "Late"})
        )
        if outcome is None:
            assert not self.runner.run(checkpoint(self.store, message, run_id=run_id))
        else:
            self.runner.run(self.store.finish(turn, message, outcome, (), run_id=run_id))

    @invariant()
    def the_store_holds_the_list(self) -> None:
        if not self.count:
            return
        stored = self.runner.run(self.store.get(None, self.chat_id))
        assert stored is not None
        assert [message.to_object() for message in stored.messages] == self.history
        assert stored.chat.active_run_id == (self.active[1] if self.active else None)
        branches = self.runner.run(self.store.branches(None, self.chat_id)) or []
        replaced = [[message.to_object() for message in branch.messages] for branch in branches]
        assert replaced == self.replaced


def test_a_store_behaves_like_a_list(url: str) -> None:
    with asyncio.Runner() as runner:
        opening = open_store(url)

        class Machine(ChatMachine):
            pass

        Machine.store = runner.run(opening.__aenter__())
        Machine.runner = runner
        try:
            run_state_machine_as_test(Machine, settings=EXAMPLES)
        finally:
            runner.run(opening.__aexit__(None, None, None))
