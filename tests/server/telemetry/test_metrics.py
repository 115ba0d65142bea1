"""What is measured, as Prometheus reads it and as OpenTelemetry's SDK sends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from usechat_server import Agent, Settings, create_app

from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider, Reply, http_error
from tests.harness.fake_provider_events import Pause, error_event, message, text, tool_use
from tests.harness.otlp_receiver import OTLPReceiver
from tests.harness.redis_server import RedisServer, redis_server
from tests.harness.serving import ServerProcess, serve
from tests.harness.stream_client import StreamClient
from tests.server.telemetry.servers import QUESTION, TOKEN, ask, scrape

WEATHER = tool_use("toolu_1", "weather", {"city": "Bern"})
CALL = "gen_ai_operation_name=chat,gen_ai_provider_name=anthropic"
MODEL = "gen_ai_request_model=claude-sonnet-5-5"
FINISH = "db_operation_name=finish,db_system_name=sqlite"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def wait_for(served: ServerProcess, condition: Callable[[dict[str, float]], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition(values := scrape(served)):
        assert time.monotonic() < deadline, values


def run_scenario(served: ServerProcess, provider: FakeProvider) -> None:
    """Finish a run that two more clients read, fail one, and stop one."""
    provider.script(
        Reply(message(WEATHER, stop_reason="tool_use")),
        Reply([error_event()]),
        Reply(message(text("Hel", Pause(), "lo"))),
    )
    body = {"id": "m1", "messages": [QUESTION]}
    url = f"{served.url}/api/chat"
    with StreamClient("POST", url, body) as client:
        client.wait_for_text("Hel")
        live = scrape(served)
        assert (live["usechat_live_runs"], live["usechat_live_readers"]) == (1, 1)
        with StreamClient("POST", url, body) as joined:
            joined.wait_for_text("Hel")
            with StreamClient("GET", f"{url}/m1/stream") as resumed:
                resumed.wait_for_text("Hel")
                assert scrape(served)["usechat_live_readers"] == 3
                provider.release()
                for each in (client, joined, resumed):
                    assert each.end().done
    provider.script(http_error(401, "authentication_error"))
    ask(served, "m2")
    provider.script(Reply(message(text("Hel", Pause(), "lo"))))
    with StreamClient("POST", url, {"id": "m3", "messages": [QUESTION]}) as client:
        client.wait_for_text("Hel")
        httpx.post(f"{url}/m3/stop", trust_env=False, timeout=DEADLINE)
        client.end()
    wait_for(served, lambda values: values["usechat_live_readers"] == 0)


def test_runs_calls_tools_and_the_store_are_measured(
    served: ServerProcess, provider: FakeProvider, receiver: OTLPReceiver
) -> None:
    before = scrape(served)
    run_scenario(served, provider)
    after = scrape(served)
    assert after["usechat_live_runs"] == 0
    call = f"{{{CALL},{MODEL}}}"
    expected = {
        "usechat_runs_total{usechat_run_outcome=finished}": 1,
        "usechat_runs_total{usechat_run_outcome=failed}": 1,
        "usechat_runs_total{usechat_run_outcome=aborted}": 1,
        "usechat_joins_total": 1,
        "usechat_resumes_total": 1,
        "usechat_stops_total": 1,
        "usechat_model_retries_total": 1,
        f"usechat_model_errors_total{{error_type=overloaded,{CALL},{MODEL}}}": 1,
        f"usechat_model_errors_total{{error_type=auth,{CALL},{MODEL}}}": 1,
        f"gen_ai_client_inference_duration_seconds_count{call}": 3,
        f"gen_ai_client_inference_time_to_first_chunk_seconds_count{call}": 3,
        "gen_ai_execute_tool_duration_seconds_count{gen_ai_tool_name=weather}": 1,
        f"usechat_storage_duration_seconds_count{{{FINISH}}}": 3,
        "gen_ai_invoke_agent_duration_seconds_count{gen_ai_operation_name=invoke_agent}": 3,
        "usechat_run_first_byte_seconds_count": 3,
        "usechat_run_first_token_seconds_count": 2,
        # The run that failed was called and no more.
        "usechat_run_hop_seconds_count{usechat_hop=queued_to_called}": 3,
        "usechat_run_hop_seconds_count{usechat_hop=called_to_first_read}": 2,
        "usechat_run_hop_seconds_count{usechat_hop=first_read_to_first_token}": 2,
        "usechat_run_hop_seconds_count{usechat_hop=first_token_to_first_write}": 2,
        "usechat_run_hop_seconds_count{usechat_hop=first_write_to_last_write}": 2,
    }
    assert {name: after.get(name, 0) - before.get(name, 0) for name in expected} == expected
    assert after[f"gen_ai_client_inference_usage_input_tokens_total{call}"] > 0
    assert after[f"usechat_model_longest_gap_seconds_count{call}"] > 0

    receiver.wait(lambda: bool(receiver.metrics.get("gen_ai.client.inference.duration")))
    points = receiver.metrics["gen_ai.client.inference.duration"]
    assert {"unit": "s", "gen_ai.request.model": "claude-sonnet-5-5"}.items() <= points[0].items()
    assert receiver.metrics["usechat.live_runs"][0]["value"] == 0


def test_metrics_require_the_token(served: ServerProcess) -> None:
    for headers in ({}, {"authorization": "Bearer other"}, {"authorization": TOKEN}):
        response = httpx.get(f"{served.url}/metrics", headers=headers, trust_env=False)
        assert response.status_code == 401
        assert "usechat" not in response.text
    with pytest.raises(ValueError, match="USECHAT_METRICS_TOKEN"):
        create_app(Agent("demo"), settings=Settings(metrics="token"))


def test_workers_add_their_metrics_up(redis: RedisServer) -> None:
    env = {"USECHAT_REDIS_URL": redis.url, "USECHAT_METRICS": "public"}
    with serve("tests.harness.apps:agent", "usechat", env=env, args=("--workers", "2")) as served:
        for chat in range(6):
            ask(served, f"c{chat}")
        finished = "usechat_runs_total{usechat_run_outcome=finished}"
        wait_for(served, lambda values: values.get(finished) == 6)
        for _ in range(4):  # whichever process responds
            assert scrape(served)[finished] == 6
        acquire = "db_operation_name=acquire,db_system_name=redis"
        assert scrape(served)[f"usechat_storage_duration_seconds_count{{{acquire}}}"] >= 6
