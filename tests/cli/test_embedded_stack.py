"""The embedded stack through its own door: cut viewers, junk from clients, several jobs at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from tests.cli.command import base_csv, slow_csv

from levain import embedded
from levain.client import Api, connected
from levain.contact import Contact
from levain.embedded import EmbeddedStack
from levain.live import LiveJob
from levain.target import Target
from levain_contracts.claims import Role
from levain_contracts.resources import JobSpec
from levain_contracts.viewer import ViewerState, same_for_viewers
from levain_training.forecasting.testing import ALL_TRAINERS

TENANT = "demo"
LIMIT_SECONDS = 50.0


class Silent:
    def heard(self, text: str, state: ViewerState) -> None:
        pass

    def beat(self, state: ViewerState) -> None:
        pass

    def note(self, line: str) -> None:
        pass


@pytest.fixture(autouse=True)
def _test_trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVAIN_EXTRA_TRAINERS", ALL_TRAINERS)


def with_stack(folder: Path, work: Callable[[EmbeddedStack, Api], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(LIMIT_SECONDS), embedded.running(folder) as stack, client(stack) as api:
            await work(stack, api)

    asyncio.run(main())


@asynccontextmanager
async def client(stack: EmbeddedStack, url: str | None = None) -> AsyncIterator[Api]:
    async with connected(Target(url or stack.url, stack.token(TENANT), TENANT), Contact()) as api:
        yield api


async def start_job(api: Api, folder: Path, job_id: str, text: str, model: str) -> None:
    path = folder / f"{job_id}.csv"
    path.write_text(text)
    await api.upload(job_id, path)
    await api.put_job(job_id, JobSpec.model_validate({"dataset": {"name": job_id}, "model": model}))


async def watch(api: Api, job_id: str) -> ViewerState:
    return await LiveJob(api, job_id, Silent(), Contact()).run()


class CuttingProxy:
    """Passes bytes on to the stack; `cut` resets every connection that is open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, up_writer}
        await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()


def test_a_viewer_whose_connection_is_cut_ends_equal_to_one_that_never_was(tmp_path: Path) -> None:
    async def work(stack: EmbeddedStack, api: Api) -> None:
        await start_job(api, tmp_path, "job-cut", slow_csv(20, 0.15), "slow")
        proxy = CuttingProxy(stack.gateway.port)
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        async with server, client(stack, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as cut_api:
            watching = [asyncio.create_task(watch(a, "job-cut")) for a in (api, cut_api)]
            while not all(w.done() for w in watching):
                await asyncio.sleep(0.4)
                proxy.cut()
            straight, cut = [w.result() for w in watching]
        assert same_for_viewers(straight, cut)
        assert straight.products_completed == len(straight.products) == 20
        assert proxy.connections >= 3

    with_stack(tmp_path, work)


def test_what_is_no_message_of_the_protocol_is_ignored_or_refused_with_4400(tmp_path: Path) -> None:
    async def work(stack: EmbeddedStack, api: Api) -> None:
        await start_job(api, tmp_path, "job-junk", slow_csv(6, 0.5), "slow")
        for junk in ("[]", "123", "null", '"ping"', '{"type":["ping"]}', "{bad", ""):
            async with api.live("job-junk") as socket:
                assert json.loads((await socket.receive()).data)["type"] == "snapshot"
                await socket.send_str(junk)
                await socket.send_str('{"type":"ping"}')
                while True:
                    message = await socket.receive(timeout=10)
                    if message.type is aiohttp.WSMsgType.CLOSE:
                        assert message.data == 4400
                        assert message.extra
                        break
                    if json.loads(message.data) == {"type": "pong"}:
                        break

    with_stack(tmp_path, work)


def test_jobs_in_a_row_and_at_once_all_complete(tmp_path: Path) -> None:
    text = base_csv(tuple((f"Brot {n}", n) for n in range(8)), days=120)

    async def work(stack: EmbeddedStack, api: Api) -> None:
        async def one(job_id: str) -> None:
            await start_job(api, tmp_path, job_id, text, "auto")
            ended = await watch(api, job_id)
            assert (ended.progress, ended.products_completed, ended.products_failed) == (100, 8, 0), ended.reason

        for n in range(3):
            await one(f"row-{n}")
        await asyncio.gather(one("both-1"), one("both-2"))

    with_stack(tmp_path, work)


def test_a_stack_signs_tokens_of_each_role_and_leaves_no_child(tmp_path: Path) -> None:
    import psutil

    async def main() -> None:
        async with embedded.running(tmp_path, workers=1) as stack, client(stack) as api:
            await start_job(api, tmp_path, "job-1", base_csv(), "instant")
            await watch(api, "job-1")
            viewer = Target(stack.url, stack.token(TENANT, Role.VIEWER), TENANT)
            async with connected(viewer, Contact()) as watching:
                assert (await watching.job("job-1")).products_completed == 2

    before = set(psutil.Process().children())
    asyncio.run(main())
    assert set(psutil.Process().children()) <= before
