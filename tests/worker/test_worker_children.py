"""Child processes: started when there is work, replaced, ended when idle; none outlives its parent, and none is killed by Ctrl-C."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tests.worker.workplace import ENVIRONMENT, children, pool_of, run, task, until

from levain_contracts.tasks import encode
from levain_training.child import MAX_FRAME_BYTES
from levain_training.children import Child, ChildDied, ChildPool, ChildSilent, PoolClosed

PARENT = """
import asyncio, sys
from levain_training.children import ChildPool

async def main():
    pool = ChildPool(max_children=1)
    async with pool.lease() as child:
        print(child.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def ask(child: Child, model: str, products: list[str], *, limit: float | None = 20) -> list[bytes]:
    return [m async for m in child.call("train", encode(task(model, products)), silence_timeout_seconds=limit)]


def test_a_child_is_started_when_there_is_work_kept_for_the_next_and_ended_when_idle() -> None:
    async def scenario() -> None:
        async with pool_of(1, idle_seconds=0.3) as pool:
            assert children() == []
            pids = []
            for _ in range(2):
                async with pool.lease() as child:
                    pids.append(child.pid)
                    assert len(await ask(child, "instant", ["brot"])) == 2
            assert pids[0] == pids[1]
            await until(lambda: not children())

    run(scenario)


def test_a_child_is_replaced_after_its_number_of_calls() -> None:
    async def scenario() -> None:
        async with pool_of(1, max_calls=2) as pool:
            pids = []
            for _ in range(4):
                async with pool.lease() as child:
                    pids.append(child.pid)
                    await ask(child, "instant", ["brot"])
        assert pids[0] == pids[1] != pids[2] == pids[3]

    run(scenario)


def test_a_fresh_child_was_never_used_and_takes_an_idle_ones_place() -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool:
            async with pool.lease() as first:
                await ask(first, "instant", ["brot"])
            async with pool.lease(fresh=True) as second:
                assert second.pid != first.pid
            await until(lambda: [p.pid for p in children()] == [second.pid])

    run(scenario)


def test_a_child_can_be_warmed_up_before_there_is_work() -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool:
            await pool.warm("instant")
            (warm,) = children()
            async with pool.lease() as child:
                assert child.pid == warm.pid

    run(scenario)


def test_no_more_children_than_allowed_run_at_once() -> None:
    async def scenario() -> None:
        async with pool_of(2) as pool:

            async def one() -> None:
                async with pool.lease() as child:
                    await ask(child, "slow", ["brot 0.05s"])
                    assert len(children()) <= 2

            await asyncio.gather(*(one() for _ in range(6)))

    run(scenario)


@pytest.mark.parametrize("leave", ["cancelled", "not read to its end"])
def test_a_call_that_is_abandoned_kills_its_child(leave: str) -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool:

            async def one() -> None:
                async with pool.lease() as child:
                    async for _ in child.call("train", encode(task("slow", ["a 60s"])), silence_timeout_seconds=None):
                        if leave != "cancelled":
                            return

            asking = asyncio.create_task(one())
            await until(lambda: bool(children()))
            (child,) = children()
            if leave == "cancelled":
                asking.cancel()
            await asyncio.wait({asking})
            await until(lambda: not child.is_running())

    run(scenario)


def test_a_lease_that_is_cancelled_at_any_moment_leaves_no_child() -> None:
    async def scenario() -> None:
        async with pool_of(2) as pool:

            async def one() -> None:
                async with pool.lease() as child:
                    await ask(child, "slow", ["a 60s"])

            for seconds in (0, 0.001, 0.002, 0.005, 0.01, 0.05, 0.3):
                asking = asyncio.create_task(one())
                await asyncio.sleep(seconds)
                asking.cancel()
                await asyncio.wait({asking})
                await until(lambda: not children())

    run(scenario)


def test_closing_kills_children_at_work_too_and_nothing_starts_afterwards() -> None:
    async def scenario() -> None:
        async with pool_of(2) as pool:

            async def one() -> None:
                async with pool.lease() as child:
                    await ask(child, "slow", ["a 60s"], limit=None)

            async with pool.lease() as idle:
                await ask(idle, "instant", ["brot"])
            asking = [asyncio.create_task(one()) for _ in range(2)]
            await until(lambda: len(children()) == 2)
            pids = [p.pid for p in children()]
            await pool.close()
            assert not any(psutil.pid_exists(pid) for pid in pids)
            for error in await asyncio.gather(*asking, return_exceptions=True):
                assert isinstance(error, ChildDied | PoolClosed)
            with pytest.raises(PoolClosed):
                await one()

    run(scenario)


def test_a_child_that_died_while_idle_is_replaced_unnoticed() -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool:
            async with pool.lease() as child:
                await ask(child, "instant", ["brot"])
            os.kill(child.pid, signal.SIGKILL)
            await until(lambda: child.spoilt)
            async with pool.lease() as other:
                assert len(await ask(other, "instant", ["brot"])) == 2

    run(scenario)


def test_a_child_that_is_killed_before_its_call_is_a_death_and_no_hang() -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool, pool.lease() as child:
            os.kill(child.pid, signal.SIGKILL)
            with pytest.raises(ChildDied, match="SIGKILL"):
                await ask(child, "instant", ["brot"])

    run(scenario)


def test_silence_beyond_the_limit_ends_the_child() -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool:
            with pytest.raises(ChildSilent, match="limit of 1 s"):
                async with pool.lease() as child:
                    await ask(child, "slow", ["a 60s"], limit=1)
            await until(lambda: not children())

    run(scenario)


def test_a_parent_that_reads_slowly_makes_its_child_wait_and_gets_everything() -> None:
    async def scenario() -> None:
        products = [f"p{i}" for i in range(256)]
        order = task("instant", products).model_copy(update={"horizon_days": 365})
        async with pool_of(1) as pool, pool.lease() as child:
            messages = []
            async for message in child.call("train", encode(order), silence_timeout_seconds=20):
                messages.append(message)
                if len(messages) in (1, 100):
                    await asyncio.sleep(0.5)
            assert len(messages) == 512
            assert len(await ask(child, "instant", ["brot"])) == 2

    run(scenario)


def test_a_call_larger_than_a_frame_is_refused_before_it_is_sent() -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool, pool.lease() as child:
            with pytest.raises(ValueError, match="larger than a frame"):
                await anext(child.call("train", b" " * (MAX_FRAME_BYTES + 1), silence_timeout_seconds=5))

    run(scenario)


def test_what_a_library_prints_or_reads_can_not_touch_the_pipes() -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool, pool.lease() as child:
            messages = await ask(child, "prints", ["a", "b"])
            assert len(messages) == 4
            assert all(m[:1] in (b"w", b"r") for m in messages)

    run(scenario)


def test_ctrl_c_and_a_terminate_to_the_group_do_not_end_a_child_at_work() -> None:
    async def scenario() -> None:
        async with pool_of(1) as pool, pool.lease() as child:
            messages: list[bytes] = []
            async for message in child.call("train", encode(task("slow", ["a 0.3s"])), silence_timeout_seconds=20):
                if not messages:
                    assert os.getpgid(child.pid) != os.getpgid(0)
                    os.killpg(child.pid, signal.SIGINT)
                    os.killpg(child.pid, signal.SIGTERM)
                messages.append(message)
            assert len(messages) == 2

    run(scenario)


def test_a_child_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait(5)
    parent.stdout.close()
    child.wait(5)


def test_a_child_inherits_no_secret_of_its_parent_runs_nicely_and_on_one_thread() -> None:
    async def scenario() -> None:
        pool = ChildPool(max_children=1, environment={**ENVIRONMENT, "LEVAIN_DATABASE_URL": "postgresql://u:secret@h/d"})
        async with pool.lease() as child:
            await ask(child, "instant", ["brot"])
            process = psutil.Process(child.pid)
            environment = process.environ()
            assert "LEVAIN_DATABASE_URL" not in environment
            assert environment["LEVAIN_EXTRA_TRAINERS"] == ENVIRONMENT["LEVAIN_EXTRA_TRAINERS"]
            assert environment["OMP_NUM_THREADS"] == "1"
            assert process.nice() >= psutil.Process().nice() + 5
        await pool.close()

    run(scenario)


def test_a_child_that_somebody_waits_for_runs_like_its_parent() -> None:
    async def scenario() -> None:
        pool = ChildPool(max_children=1, niceness=0)
        async with pool.lease() as child:
            await ask(child, "instant", ["brot"])
            assert psutil.Process(child.pid).nice() == psutil.Process().nice()
        await pool.close()

    run(scenario)


def test_no_file_descriptor_is_left_behind() -> None:
    async def scenario() -> None:
        async def once() -> None:
            async with pool_of(1, max_calls=1) as pool:
                async with pool.lease() as child:
                    await ask(child, "instant", ["brot"])
                with pytest.raises(ChildDied):
                    async with pool.lease() as child:
                        await ask(child, "kills", ["killer"])

        await once()
        before = psutil.Process().num_fds()
        for _ in range(2):
            await once()
        assert psutil.Process().num_fds() <= before

    run(scenario)


def test_all_of_it_works_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def scenario() -> None:
        async with pool_of(1) as pool:
            async with pool.lease() as child:
                assert len(await ask(child, "instant", ["brot"])) == 2
            os.kill(child.pid, signal.SIGKILL)
            time.sleep(0.1)
            with pytest.raises(ChildDied):
                async with pool.lease(fresh=True) as child:
                    await ask(child, "kills", ["killer"])

    uvloop.run(scenario())
    assert children() == []
