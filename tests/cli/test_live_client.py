"""The live client against a server that cuts, restarts, loses frames and refuses."""

import asyncio

import pytest
from aiohttp import web
from tests.cli.fake_service import JOB, TENANT, FakeService, Script, history, serving, state_after

from levain.client import connected
from levain.contact import Contact
from levain.errors import BadInput, CommandFailed, ContactLost
from levain.live import LiveJob
from levain.target import Target
from levain_contracts.closecodes import restart_reason
from levain_contracts.viewer import ViewerState, same_for_viewers

WAIT_SECONDS = 20.0


class Recorder:
    def __init__(self) -> None:
        self.frames: list[str] = []
        self.notes: list[str] = []
        self.progress: list[int] = []

    def heard(self, text: str, state: ViewerState) -> None:
        self.frames.append(text)
        self.progress.append(state.progress)

    def beat(self, state: ViewerState) -> None:
        self.progress.append(state.progress)

    def note(self, line: str) -> None:
        self.notes.append(line)


def watch(service: FakeService, script: Script, *, patience: float = 10.0) -> tuple[ViewerState | CommandFailed, Recorder]:
    service.script = script
    recorder = Recorder()

    async def main() -> ViewerState | CommandFailed:
        async with serving(service):
            contact = Contact(patience)
            async with connected(Target(service.url, "a-token", TENANT), contact) as api:
                try:
                    return await asyncio.wait_for(LiveJob(api, JOB, recorder, contact).run(), WAIT_SECONDS)
                except CommandFailed as error:
                    return error

    return asyncio.run(main()), recorder


def equal(service: FakeService, ended: ViewerState | CommandFailed) -> bool:
    return isinstance(ended, ViewerState) and same_for_viewers(ended, state_after(service.history))


def test_frames_in_order_end_in_the_state_that_they_describe() -> None:
    service = FakeService(history(5, frozenset({2})))

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        await s.open(socket)
        await s.send(socket, 99)

    ended, seen = watch(service, script)
    assert equal(service, ended)
    assert seen.progress == sorted(seen.progress)
    assert service.tokens == {"Bearer a-token"}


@pytest.mark.parametrize("cut_after", [0, 1, 3, 6])
def test_a_viewer_whose_connection_is_cut_reconnects_and_ends_equal(cut_after: int) -> None:
    service = FakeService(history(6, frozenset({1, 4})))

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        await s.open(socket)
        if number == 0:
            await s.send(socket, cut_after)
            assert socket._req is not None
            assert socket._req.transport is not None
            socket._req.transport.abort()
            s.at = min(s.at + 2, len(s.history) - 1)  # what happened while nobody was there
            return
        await s.send(socket, 99)

    ended, seen = watch(service, script)
    assert equal(service, ended)
    assert service.connections >= 2
    assert any("contact lost" in note for note in seen.notes)


def test_frames_that_are_lost_are_read_from_the_store() -> None:
    service = FakeService(history(40, frozenset({7})), page=3)

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        await s.open(socket)
        await s.send(socket, 30, lost=frozenset(range(5, 25)))
        while s.reads == 0:  # a gap that stays open is read before the job ends
            await asyncio.sleep(0.05)
        await s.send(socket, 99)

    ended, _ = watch(service, script)
    assert equal(service, ended)


def test_an_ended_job_needs_no_more_than_its_snapshot() -> None:
    service = FakeService(history(4, frozenset({0})), at=6)

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        await s.open(socket)

    ended, _ = watch(service, script)
    assert equal(service, ended)
    assert service.connections == 1


def test_a_restarting_server_names_the_time_to_come_back() -> None:
    service = FakeService(history(3))
    came: list[float] = []

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        came.append(asyncio.get_running_loop().time())
        await s.open(socket)
        if number == 0:
            await s.send(socket, 2)
            await socket.close(code=1012, message=restart_reason(1500).encode())
            return
        await s.send(socket, 99)

    ended, _ = watch(service, script, patience=1.0)
    assert equal(service, ended)
    assert came[1] - came[0] >= 1.5


@pytest.mark.parametrize(("code", "says"), [(4400, "malformed"), (4401, "token"), (4403, "tenant"), (4404, "no such job")])
def test_a_refusal_stops_with_a_clear_line(code: int, says: str) -> None:
    service = FakeService(history(3))

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        await socket.close(code=code)

    ended, _ = watch(service, script)
    assert isinstance(ended, BadInput)
    assert says in str(ended)
    assert service.connections == 1


def test_a_token_that_expires_on_the_way_means_that_the_outcome_is_not_known() -> None:
    service = FakeService(history(3))

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        await s.open(socket)
        await s.send(socket, 2)
        await socket.close(code=4401)

    ended, _ = watch(service, script)
    assert isinstance(ended, ContactLost)
    assert "token" in str(ended)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1013, 4408, 4429, 4999])
def test_every_other_close_code_is_followed_by_another_try(code: int) -> None:
    service = FakeService(history(3))

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        if number == 0:
            await socket.close(code=code)
            return
        await s.open(socket)
        await s.send(socket, 99)

    ended, _ = watch(service, script)
    assert equal(service, ended)
    assert service.connections == 2


def test_patience_ends_when_the_server_stays_away() -> None:
    service = FakeService(history(3))

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        if number == 0:
            await s.open(socket)
            await s.send(socket, 2)
        await socket.close(code=1013)

    ended, seen = watch(service, script, patience=2.0)
    assert isinstance(ended, ContactLost)
    assert "gave up after 2 s" in str(ended)
    assert len([n for n in seen.notes if "contact lost" in n]) == 1


def test_the_last_read_is_tried_again_while_the_service_answers_503() -> None:
    service = FakeService(history(3), failing_calls=2)

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        await s.open(socket)
        await s.send(socket, 99)

    ended, _ = watch(service, script)
    assert equal(service, ended)


def test_what_is_no_frame_of_this_job_changes_nothing() -> None:
    service = FakeService(history(3))

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        await s.open(socket)
        for junk in ("", "[]", "null", '{"type":"newer","job_id":"job-1"}', "{bad", '{"type":"pong"}'):
            await socket.send_str(junk)
        await socket.send_bytes(b"\x00")
        await s.send(socket, 99)

    ended, _ = watch(service, script)
    assert equal(service, ended)


def test_a_peer_that_falls_silent_is_pinged_and_then_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("levain.live.PING_AFTER_SECONDS", 0.3)
    monkeypatch.setattr("levain.live.DEAD_AFTER_SECONDS", 1.0)
    service = FakeService(history(3))
    heard: list[str] = []

    async def script(s: FakeService, socket: web.WebSocketResponse, number: int) -> None:
        await s.open(socket)
        if number == 0:
            heard.append((await socket.receive()).data)
            await socket.receive()
            return
        await s.send(socket, 99)

    ended, _ = watch(service, script)
    assert equal(service, ended)
    assert heard == ['{"type":"ping"}']
    assert service.connections == 2
