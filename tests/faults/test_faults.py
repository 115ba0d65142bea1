"""Processes killed, paused and told to stop, Redis emptied and frozen, the database restarted, the
network cut, at drawn moments of many turns: no text is lost, no tool runs twice, every question is
answered.

`make faults TURNS=100 SEED=41 DATABASE=postgresql` runs more of it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.databases import open_database
from tests.faults.deployment import Deployment
from tests.faults.plan import Database, Round, draw_rounds
from tests.faults.promises import broken_promises, whole_turns
from tests.faults.report import write_report
from tests.faults.short_plan import SHORT_PLAN
from tests.harness.fake_provider import FakeProvider
from tests.harness.postgres import NOT_INSTALLED, binary_directory
from tests.harness.redis_server import redis_server
from tests.harness.stores import open_store

#: 0: those of every test run
TURNS = int(os.environ.get("USECHAT_FAULT_TURNS", "0"))
SEED = int(os.environ.get("USECHAT_FAULT_SEED", "1"))
#: The part of all turns that must be whole, if there are many.
MIN_WHOLE, MANY_TURNS = 0.9, 50
OUTPUT = Path(__file__).parents[1] / "output" / "faults"


@pytest.mark.timeout(120 + 10 * TURNS)
@pytest.mark.parametrize("database", SHORT_PLAN)
def test_promises_are_kept_despite_faults(database: Database) -> None:
    if database == "postgresql" and binary_directory() is None:
        pytest.skip(NOT_INSTALLED)
    rounds = draw_rounds(SEED, TURNS, database) if TURNS else SHORT_PLAN[database]
    folder = OUTPUT / (f"{database}-{SEED}" if TURNS else database)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    campaign = asyncio.run(_run(database, rounds, folder))
    broken = broken_promises(campaign, campaign.turns)
    write_report(campaign, folder, broken)
    turns = [turn for turn in campaign.turns if turn.app == "agent"]
    whole = len(whole_turns(turns))
    print(f"{whole} of {len(turns)} turns of an agent are whole")
    if len(turns) >= MANY_TURNS and whole < MIN_WHOLE * len(turns):
        broken.append(f"{whole} of {len(turns)} turns are whole")
    assert not broken, "\n".join([f"see {folder}:", *broken])


async def _run(database: Database, rounds: Sequence[Round], folder: Path) -> Campaign:
    mutation = os.environ.get("USECHAT_FAULT_MUTATION", "")
    with ExitStack() as servers:
        provider = servers.enter_context(FakeProvider())
        redis = servers.enter_context(redis_server())
        shared = open_database(database, folder, servers)
        deployment = Deployment(provider, redis, shared, folder)
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(open_store(shared.url()))
            await deployment.open(stack, mutation)
            campaign = Campaign(deployment, store, SEED)
            for number, plan in enumerate(rounds):
                await campaign.run_round(plan)
                faults = campaign.faults[len(campaign.faults) - len(plan.faults) :]
                print(f"round {number}: {len(plan.questions)} turns,", *faults, flush=True)
                broken = broken_promises(campaign, campaign.turns[-len(plan.questions) :])
                print(*(f"  {promise}\n" for promise in broken), sep="", end="", flush=True)
                if mutation and broken:
                    break
        return campaign
