"""What a client knows of its sessions and of the queues, on each adapter: what metrics are made of."""

from tests.broker.harness import DEAD, RESULTS, TASKS, Adapter, Hands, Harness, on_each_adapter, run, until

from levain_broker.ports import QueueState


@on_each_adapter
def test_a_queue_tells_what_waits_and_who_takes_from_it(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, hands = await h.client(), Hands()
        await broker.send(RESULTS, b"1")
        await h.quiet()
        assert [await broker.queue_state(queue) for queue in (TASKS, RESULTS, DEAD)] == [
            QueueState(0, 0),
            QueueState(1, 0),
            QueueState(0, 0),
        ]
        other = await h.client()
        async with other.consume(TASKS, hands.take, prefetch=1), other.consume(TASKS, hands.take, prefetch=1):
            while (await broker.queue_state(TASKS)).consumers != 2:
                await h.quiet()
        while (await broker.queue_state(TASKS)).consumers:
            await h.quiet()

    run(adapter, scenario)


@on_each_adapter
def test_sessions_are_told_by_what_they_are_for(adapter: Adapter) -> None:
    async def scenario(h: Harness) -> None:
        broker, hands = await h.client(), Hands()

        def up() -> list[str]:
            return [state.what for state in broker.session_states() if state.up]

        async with broker.watch_events(lambda key, body: None, lambda: None), broker.consume(TASKS, hands.take, prefetch=1):
            await until(lambda: up() == ["consuming training.tasks", "publishing", "watching events"])
            assert [state.renewed for state in broker.session_states()] == [0, 0, 0]
        await broker.close()
        assert up() == []

    run(adapter, scenario)
