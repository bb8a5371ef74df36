"""Networks that fail between client and gateway: the client comes back and ends equal; what is dead is noticed."""

import asyncio
from pathlib import Path

import pytest
from tests.e2e.cutting_proxy import proxying
from tests.e2e.whole import OnStack, Whole, assert_equal_to_store, run, until
from tests.training.harness import sales_csv

SECONDS = 20
NAMES = [f"Brot {i} 0.1s" for i in range(30)]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut as often as here, the client would wait for seconds between its tries."""
    monkeypatch.setattr("levain.contact.CAP_SECONDS", 0.3)


async def begun(whole: Whole) -> None:
    client = whole.client()
    await client.upload(sales_csv(NAMES))
    await client.start("job", "slow")


def test_viewers_that_are_cut_again_and_again_amid_their_frames_end_equal_to_one_that_never_was(on_each_stack: OnStack) -> None:
    async def scenario(whole: Whole) -> None:
        await begun(whole)
        async with proxying(whole.port, piece_bytes=100) as proxy:
            async with whole.viewer("job") as steady, whole.viewer("job", port=proxy.port) as cut:
                for passed_bytes in (10, 700, 2048):
                    before, proxy.cut_after_bytes = proxy.connections, passed_bytes
                    proxy.cut()
                    await until(lambda before=before: proxy.connections > before + 1, SECONDS)  # type: ignore[misc]
                proxy.cut_after_bytes = None
                proxy.cut()
                states = await asyncio.gather(steady.task, cut.task)
            assert any("contact lost" in note for note in cut.notes)
            await assert_equal_to_store(states, whole.client(), "job")
        await until(lambda: whole.open_sockets == (0, 0))

    on_each_stack(scenario)


def test_a_viewer_whose_network_goes_silent_leaves_it_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("levain.live.PING_AFTER_SECONDS", 0.4)
    monkeypatch.setattr("levain.live.DEAD_AFTER_SECONDS", 0.8)

    async def scenario(whole: Whole) -> None:
        await begun(whole)
        async with proxying(whole.port) as proxy, whole.viewer("job", port=proxy.port) as stalled:
            await until(lambda: stalled.heard_frames >= 2)
            heard = stalled.heard_frames
            proxy.stall()
            await until(lambda: proxy.connections >= 2)
            assert stalled.heard_frames == heard
            proxy.flow()
            await assert_equal_to_store([await stalled.task], whole.client(), "job")

    run(scenario, tmp_path)


def test_a_half_open_viewer_is_dropped_by_the_missing_pong_at_the_service_and_at_the_gateway(tmp_path: Path) -> None:
    async def scenario(whole: Whole) -> None:
        await begun(whole)
        async with proxying(whole.port) as proxy:
            async with whole.viewer("job", port=proxy.port), whole.viewer("job") as steady:
                await until(lambda: whole.open_sockets == (2, 2))
                proxy.abandon()
                await until(lambda: whole.open_sockets == (1, 1))
                await assert_equal_to_store([await steady.task], whole.client(), "job")
            assert whole.at_service("viewer_closes_total", code="1006") >= 1

    run(scenario, tmp_path, service={"ping_seconds": 0.3})
