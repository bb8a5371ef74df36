"""Many viewers of one job through the gateway: they end equal to each other and to the store."""

import asyncio
import random
from pathlib import Path

from tests.e2e.whole import Embedded, OnStack, Whole, assert_equal_to_store, run, until
from tests.training.harness import Client, Watched, sales_csv

from levain_contracts.claims import Role

HEAL_SECONDS = 5.0


async def joined_at(client: Client, job_id: str, products: int) -> Watched:
    """From the moment on at which so many products had ended, or as soon after it as it can."""
    await client.wait_for(job_id, lambda job: job["products_completed"] >= products)
    return await client.watch(job_id)


def test_twenty_viewers_that_join_at_any_moment_end_equal_to_each_other_and_to_the_store(on_each_stack: OnStack) -> None:
    moments = random.Random(7)

    async def scenario(whole: Whole) -> None:
        client = whole.client()
        await client.upload(sales_csv([f"Brot {i} 0.04s" for i in range(60)]))
        await client.start("job", "slow")
        viewers = [whole.client(role=role) for role in (Role.VIEWER, Role.TRAINER) for _ in range(10)]
        seen = await asyncio.gather(*(joined_at(v, "job", moments.randrange(50)) for v in viewers))
        late = await client.watch("job")
        assert all(w.types[0] == "snapshot" and w.code == 1000 for w in seen)
        assert late.types == ["snapshot", "completed"]
        assert len({len(w.frames) for w in seen}) > 1  # they did not all come at the same moment
        await assert_equal_to_store([w.state for w in (*seen, late)], client, "job")
        assert late.state.products_completed == 60

    on_each_stack(scenario)


def test_an_unknown_job_is_4404_and_its_gauges_never_move(on_each_stack: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        client = whole.client()
        seen = await client.watch("never-was")
        assert (seen.code, seen.frames) == (4404, [])
        await client.ask("POST", "/jobs/only-marked/cancel")  # the id is known, the job is not
        assert (await client.watch("only-marked")).code == 4404
        assert whole.at_service("viewer_refusals_total", reason="no_such_job") == 2
        assert whole.at_service("viewer_connects_total") == 0

    on_each_stack(scenario)


def test_two_hundred_viewers_of_an_ended_job_get_snapshot_terminal_frame_and_1000(on_each_stack: OnStack) -> None:
    """Field case K03: nothing that arrives in one read with the 101 is lost."""

    async def scenario(whole: Whole) -> None:
        client = whole.client()
        await client.upload(sales_csv(["bad one", "Brot"]))
        await client.start("job", "fails_some")
        await client.ended("job")
        first = await client.watch("job")
        for _ in range(200):
            seen = Watched()
            async with asyncio.timeout(10), client.live("job") as socket:
                async for message in socket:
                    seen.take(message.data)
                seen.code = socket.close_code
            assert (seen.types, seen.code) == (["snapshot", "completed"], 1000)
        await assert_equal_to_store([first.state], client, "job")
        await until(lambda: whole.open_sockets == (0, 0))
        assert whole.at_gateway("websockets_closed_total", code="1000") == 201
        assert whole.at_service("viewer_closes_total", code="1000") == 201

    on_each_stack(scenario)


def test_last_events_that_are_lost_on_their_way_reach_every_viewer_within_five_seconds(tmp_path: Path) -> None:
    async def scenario(whole: Embedded) -> None:
        client = whole.client()
        await client.upload(sales_csv(["Brot 1s", "Brezel 0.2s"]))
        await client.start("job", "slow")
        watching = [asyncio.create_task(client.watch("job")) for _ in range(5)]
        await client.wait_for("job", lambda job: job["products_completed"] == 1)
        whole.stack.broker.drop_next_events(2)  # the last product's and the job's
        await client.ended("job")
        async with asyncio.timeout(HEAL_SECONDS):
            seen = await asyncio.gather(*watching)
        assert [(w.types[-1], w.code) for w in seen] == [("completed", 1000)] * 5
        assert all("snapshot" in w.types[1:] for w in seen)
        await assert_equal_to_store([w.state for w in seen], client, "job")
        assert whole.at_service("repairs_total", kind="viewer_behind") >= 1
        assert whole.at_service("repairs_total", kind="unpublished_event") == 0

    run(scenario, tmp_path)


def test_events_that_are_lost_amid_a_job_are_read_from_the_store(tmp_path: Path) -> None:
    async def scenario(whole: Embedded) -> None:
        client = whole.client()
        await client.upload(sales_csv([f"Brot {i} 0.1s" for i in range(30)]))
        await client.start("job", "slow")
        async with whole.viewer("job") as one, whole.viewer("job") as other:
            await client.wait_for("job", lambda job: job["products_completed"] >= 4)
            whole.stack.broker.drop_next_events(10)
            states = await asyncio.gather(one.task, other.task)
        await assert_equal_to_store(states, client, "job")
        assert len(states[0].products) == 30

    run(scenario, tmp_path)
