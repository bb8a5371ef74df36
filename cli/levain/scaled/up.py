"""`levain up --scale`: the stack of many processes that stays, and tells what becomes of each."""

from collections.abc import Mapping
from contextlib import suppress

from levain.datadir import DataDir
from levain.errors import CommandFailed, OutputClosed
from levain.output import Output
from levain.page import page_folder, served
from levain.scaled.existing import broker_that_answers, database_that_answers
from levain.scaled.rabbitmq import RabbitMQ
from levain.scaled.stack import ScaledStack
from levain.shipped import SAMPLE
from levain.staying import owned, stay
from levain_settings.readers import Listen

# Processes stop group by group, in about five seconds; past this, something hangs.
STOP_SECONDS = 20.0
_WORKERS = 3
_STOPPING = {
    "gateway": {"LEVAIN_DRAIN_SECONDS": "1"},
    "replica": {"LEVAIN_DRAIN_SECONDS": "1"},
    "worker": {"LEVAIN_GRACE_SECONDS": "3"},
}


async def up(
    data_dir: DataDir,
    listen: Listen,
    workers: int | None,
    servers: tuple[str | None, str | None],
    out: Output,
    environment: Mapping[str, str],
) -> int:
    """`servers`: the addresses of a broker and of a database that run already. Ends only when it is cancelled."""

    def say(line: str) -> None:
        with suppress(OutputClosed, CommandFailed):  # though nobody reads any more, the stack must be stopped
            out.line(line)

    broker_url, database_url = servers
    page = page_folder(environment)
    with owned(data_dir, environment) as secret:
        stack = ScaledStack(
            data_dir.path,
            listen=listen,
            workers=workers or _WORKERS,
            secret=secret,
            sample=SAMPLE,
            broker_url=broker_url and await broker_that_answers(broker_url),
            database_url=database_url and await database_that_answers(database_url),
            environment={**_STOPPING, "gateway": _STOPPING["gateway"] | served(page)},
            say=say,
        )
        await stack.start()
        try:
            _tell(stack, data_dir, out)
            await stay(data_dir, stack, stack.urls, out, page=page is not None)
        finally:
            await stack.stop()
            say("all have ended")
    return 0


def _tell(stack: ScaledStack, data_dir: DataDir, out: Output) -> None:
    for server in stack.servers.private:
        metrics = f", http://127.0.0.1:{server.metrics_port}/metrics" if isinstance(server, RabbitMQ) else ""
        out.line(f"{server.program.name:<10}  process {server.program.pid:<7}  port {server.port}{metrics}")
    for member in stack.members:
        out.line(f"{member.name:<10}  process {member.pid:<7}  {member.metrics_url}")
    out.line(f"logs  {data_dir.path / 'logs'}, for Prometheus  {stack.targets}")
