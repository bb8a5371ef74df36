"""A job from its request to its last frame, through broker, consumer, hub and a real WebSocket."""

import asyncio
import json
from pathlib import Path

import aiohttp
from tests.training.harness import Stack, abort, run, sales_csv

from levain_contracts.viewer import same_for_viewers

TEN = [f"Brot {i}" for i in range(10)]


def test_a_job_is_seen_from_its_start_to_its_end(tmp_path: Path) -> None:
    """Issue: started 0 %, data analysis 20 %, each product 20 + floor(done / total x 60), completed 100 %."""

    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(TEN))
        await client.start("job", "slow")
        watched = await client.watch("job")
        assert watched.code == 1000
        assert watched.types[0] == "snapshot"
        assert watched.types[-1] == "completed"
        analysed = next(f for f in watched.frames if f.type == "progress")
        assert (analysed.progress, analysed.data["step"], analysed.data["total_products"]) == (20, "data_analysis", 10)
        ends = [f for f in watched.frames if f.type == "product_completed"]
        assert len({f.data["product_id"] for f in ends}) == 10
        assert [f.data["products_completed"] for f in ends] == list(range(1, 11))
        assert [f.progress for f in ends] == [20 + done * 60 // 10 for done in range(1, 11)]
        last = watched.frames[-1]
        assert last.progress == 100
        assert (last.data["successful"], last.data["failed"]) == (10, 0)
        assert [f.seq for f in watched.frames[1:]] == sorted({f.seq for f in watched.frames[1:]})
        assert await stack.repairs() == {}

    run(scenario, tmp_path)


def test_the_started_event_is_the_first_and_says_0_percent(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        events: list[tuple[str, int]] = []

        def on_event(key: str, body: bytes) -> None:
            events.append((key, json.loads(body)["progress"]))

        client = stack.client()
        await client.upload(sales_csv(TEN[:2]))
        async with stack.broker.watch_events(on_event, lambda: None):
            await client.start("job", "instant")
            await client.ended("job")
            await asyncio.sleep(0.1)
        product = "training.product.completed"
        expected = [("training.started", 0), ("training.progress", 20), (product, 50), (product, 80), ("training.completed", 100)]
        assert events == expected

    run(scenario, tmp_path)


def test_viewers_of_one_job_end_equal_and_a_late_one_gets_the_snapshot_first(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv([f"bad {i}" if i % 3 == 0 else f"Brot {i}" for i in range(12)]))
        await client.start("job", "fails_some")
        early = [asyncio.create_task(client.watch("job")) for _ in range(5)]
        await client.wait_for("job", lambda job: job["products_completed"] >= 3)
        late = await client.watch("job")
        ended = await client.watch("job")
        seen = [*(await asyncio.gather(*early)), late, ended]
        assert all(w.types[0] == "snapshot" for w in seen)
        assert all(w.code == 1000 for w in seen)
        assert all(same_for_viewers(w.state, seen[0].state) for w in seen)
        assert len(seen[0].state.products) == 12
        assert seen[0].state.products_failed == 4
        assert ended.types == ["snapshot", "completed"]

    run(scenario, tmp_path)


def test_a_viewer_whose_connection_is_cut_comes_back_and_ends_equal(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(TEN))
        await client.start("job", "slow")
        steady = asyncio.create_task(client.watch("job"))
        async with client.live("job") as socket:
            await socket.receive()
            abort(socket)
        cut = await client.watch("job")
        assert same_for_viewers((await steady).state, cut.state)
        assert stack.metric("levain_training_viewers") == 0

    run(scenario, tmp_path)


def test_a_lost_last_event_reaches_every_viewer_all_the_same(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(TEN[:2]))
        await client.start("job", "instant")
        stack.broker.drop_next_events(1000)
        viewers = await asyncio.gather(*(client.watch("job") for _ in range(3)))
        assert [w.types[-1] for w in viewers] == ["completed"] * 3
        assert (await stack.repairs()).keys() <= {"viewer_behind"}

    run(scenario, tmp_path, level_seconds=0.5)


def test_a_viewer_that_comes_late_hides_no_loss_of_those_before_it(tmp_path: Path) -> None:
    """Its snapshot is newer than what the others saw: they are behind all the same."""

    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot 0.1s", "Brezel 1s"]))
        await client.start("job", "slow")
        early = asyncio.create_task(client.watch("job"))
        await client.wait_for("job", lambda job: job["products_completed"] == 1)
        stack.broker.drop_next_events(1000)
        await client.ended("job")
        late = await client.watch("job")
        assert late.types == ["snapshot", "completed"]
        assert same_for_viewers((await early).state, late.state)

    run(scenario, tmp_path, level_seconds=1.0)


def test_after_a_new_session_with_the_broker_every_viewer_gets_a_fresh_snapshot(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(TEN[:3]))
        await client.start("job", "slow")
        async with client.live("job") as socket:
            assert (await socket.receive_json())["type"] == "snapshot"
            stack.broker.break_link()
            assert (await stack.session.get(client.base.split("/api")[0] + "/readyz")).status == 503
            stack.broker.mend()
            assert "snapshot" in [(await socket.receive_json())["type"] for _ in range(6)]
        assert (await client.ended("job"))["state"] == "completed"

    run(scenario, tmp_path)


def test_unknown_jobs_strangers_and_bad_ids_are_refused_with_their_code(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client, stranger = stack.client(), stack.client("bert")
        await client.upload(sales_csv(TEN[:1]))
        await client.start("job", "instant")
        assert (await client.watch("nope")).code == 4404
        stranger.base = client.base
        assert (await stranger.watch("job")).code == 4403
        client.token = "rubbish"
        assert (await client.watch("job")).code == 4401
        refusals = [
            stack.metric("levain_training_viewer_refusals_total", reason=r) for r in ("no_such_job", "forbidden", "unauthenticated")
        ]
        assert refusals == [1, 1, 1]
        assert stack.metric("levain_training_viewers") == 0

    run(scenario, tmp_path)


def test_pings_are_answered_and_anything_else_is_ignored(tmp_path: Path) -> None:
    """Field case K07."""

    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot 5s"]))
        await client.start("job", "slow")
        async with client.live("job") as socket:
            for text in ("[]", "123", "null", '"ping"', '{"type":["ping"]}', "{bad", "[" * 2000, '{"type":"ping"}'):
                await socket.send_str(text)
            await socket.send_bytes(b"\x00")
            answers = [await socket.receive_json() for _ in range(2)]
            while {"type": "pong"} not in answers:
                answers.append(await socket.receive_json())
            assert not socket.closed

    run(scenario, tmp_path)


def test_a_viewer_that_floods_is_sent_away_and_one_that_sends_a_huge_message_too(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot 5s"]))
        await client.start("job", "slow")
        for message, times, code in (("{}", 61, 4429), ("x" * 5000, 1, 1009)):
            async with client.live("job") as socket:
                for _ in range(times):
                    await socket.send_str(message)
                while not socket.closed:
                    await socket.receive(timeout=5)
                assert socket.close_code == code

    run(scenario, tmp_path)


def test_an_open_socket_closes_with_4401_when_its_token_expires(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot 9s"]))
        await client.start("job", "slow")
        short = stack.client(lifetime_seconds=1)
        assert (await short.watch("job")).code == 4401

    run(scenario, tmp_path)


def test_a_draining_service_sends_everybody_away_with_1012_and_a_pause(tmp_path: Path) -> None:
    async def scenario(stack: Stack) -> None:
        client = stack.client()
        await client.upload(sales_csv(["Brot 9s"]))
        await client.start("job", "slow")
        sockets = [await client.live("job") for _ in range(40)]
        reading = [asyncio.create_task(_read_to_the_end(socket)) for socket in sockets]
        await asyncio.sleep(0.1)
        draining = asyncio.create_task(stack.service.connections.drain(0.3))
        ends = await asyncio.gather(*reading)
        await draining
        assert {code for code, _ in ends} == {1012}
        assert all(0 < json.loads(reason)["retry_ms"] <= 400 for _, reason in ends)
        assert stack.metric("levain_training_viewers") == 0
        assert stack.metric("levain_training_viewer_closes_total", code="1012") == 40
        assert (await client.watch("job")).code == 1012

    run(scenario, tmp_path)


async def _read_to_the_end(socket: aiohttp.ClientWebSocketResponse) -> tuple[int | None, str]:
    while not socket.closed:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.CLOSE:
            return message.data, message.extra or ""
    return socket.close_code, ""
