"""Hypothesis strategies of chunks that a model or a handler may write, legal or not."""

from __future__ import annotations

from hypothesis import strategies as st
from ui_message_stream.chunks import (
    Chunk,
    Data,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
)

__all__ = ["model_chunks"]

CITATION = {
    "source": {"type": "source", "sourceType": "url", "id": "s", "url": "https://a.example"}
}

ids = st.sampled_from(["a", "b"])
calls = st.sampled_from(["c", "d"])
signature = st.sampled_from([None, {"anthropic": {"signature": "s"}}])
#: One chunk; many are illegal where they come, which a writer refuses.
model_chunks: st.SearchStrategy[Chunk] = st.one_of(
    st.builds(TextStart, id=ids),
    st.builds(TextDelta, id=ids, delta=st.text(max_size=8)),
    st.builds(TextDelta, id=ids, delta=st.text(max_size=8), provider_metadata=signature),
    st.builds(TextEnd, id=ids, citations=st.sampled_from([None, [CITATION]])),
    st.builds(ReasoningStart, id=ids),
    st.builds(ReasoningDelta, id=ids, delta=st.text(max_size=8), provider_metadata=signature),
    st.builds(ReasoningEnd, id=ids, provider_metadata=signature),
    st.builds(ToolInputStart, tool_call_id=calls, tool_name=st.just("t"), title=st.just("T")),
    st.builds(
        ToolInputDelta, tool_call_id=calls, input_text_delta=st.sampled_from(['{"x', '":1}'])
    ),
    st.builds(ToolInputAvailable, tool_call_id=calls, tool_name=st.just("t"), input=st.just({})),
    st.builds(ToolOutputAvailable, tool_call_id=calls, output=st.integers()),
    st.builds(ToolOutputDenied, tool_call_id=calls),
    st.builds(ToolApprovalRequest, tool_call_id=calls, approval_id=ids),
    st.builds(ToolApprovalResponse, approval_id=ids, approved=st.booleans()),
    st.builds(MessageMetadata, message_metadata=st.fixed_dictionaries({"k": st.integers()})),
    st.builds(Data, name=st.just("n"), id=st.sampled_from([None, "i"]), data=st.integers()),
    st.just(StartStep()),
)
