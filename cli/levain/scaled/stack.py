"""The composition root of the scaled stack: gateways, replicas and workers as processes, on a RabbitMQ and a PostgreSQL."""

import asyncio
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from levain.listening import cant_listen
from levain.scaled.keeping import Say, keep
from levain.scaled.member import Member
from levain.scaled.ports import check_free, free_port, next_free_port
from levain.scaled.postgres import Postgres
from levain.scaled.rabbitmq import RabbitMQ
from levain.scaled.roles import COMMANDS, AddressOf, Common, environment_of
from levain.scaled.servers import Servers, ready
from levain.targets import FILE, Target, write_targets
from levain.tokens import issuer_of, signed
from levain_contracts.claims import Role
from levain_settings.readers import Listen

HERE = Listen("127.0.0.1", 0)
OPERATOR = "levain-operator"


class ScaledStack:
    """`start` and `stop` belong to one loop, and may be called once each.

    `broker_url`, `database_url`: an existing server, or what a member of a name is given; None starts a private one in `folder`.
    `environment`, `commands`: settings and command lines of the roles `gateway`, `replica` and `worker`, beside the usual ones.
    `supervise`: a process that ends unasked is started again, after a growing pause. `say` is told what happens, line by line.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listen: Listen = HERE,
        gateways: int = 2,
        replicas: int = 2,
        workers: int = 3,
        secret: str | None = None,
        sample: Path | None = None,
        broker_url: str | AddressOf | None = None,
        database_url: str | AddressOf | None = None,
        environment: Mapping[str, Mapping[str, str]] | None = None,
        commands: Mapping[str, Sequence[str]] | None = None,
        supervise: bool = True,
        say: Say = lambda line: None,
    ) -> None:
        self.folder, self._listen, self._say = folder.resolve(), listen, say
        self._issuer = issuer_of(secret or secrets.token_hex(32))
        self._operator = issuer_of(secrets.token_hex(32), name=OPERATOR, roles=(Role.OPERATOR,))
        self._sizes = {"gateway": gateways, "replica": replicas, "worker": workers}
        self._sample = sample
        self._broker_url, self._database_url = broker_url, database_url
        self._more, self._commands = environment or {}, {**COMMANDS, **(commands or {})}
        self._supervise = supervise
        self.gateways: list[Member] = []
        self.replicas: list[Member] = []
        self.workers: list[Member] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._running = AsyncExitStack()

    @property
    def members(self) -> list[Member]:
        return [*self.gateways, *self.replicas, *self.workers]

    @property
    def urls(self) -> list[str]:
        """Of the gateways."""
        return [gateway.url for gateway in self.gateways]

    @property
    def url(self) -> str:
        return self.urls[0]

    def token(self, tenant: str, role: Role = Role.TRAINER, *, hours: float = 24) -> str:
        return signed(self._operator if role is Role.OPERATOR else self._issuer, tenant, role, hours=hours)

    @property
    def operator_secret(self) -> str:
        """An operator that signs with it, as the issuer `OPERATOR`, may ask across tenants."""
        assert self._operator.secret is not None
        return self._operator.secret.get_secret_value()

    async def start(self) -> None:
        """Ready when it returns. Raises `CommandFailed`; what was started by then is stopped."""
        self._check_address()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self.servers = Servers(self.folder, self._broker_url, self._database_url)
        async with AsyncExitStack() as started:
            for server in self.servers.private:
                self._say(f"starting {server.program.name}")
                started.push_async_callback(self._stop_server, server)
                server.launch()
            self._make_members()
            write_targets(self.folder, self._tell_metrics())
            self._say("starting " + ", ".join(f"{count} {role}{'' if count == 1 else 's'}" for role, count in self._sizes.items()))
            # Stopped in the opposite order: viewers are sent away first, and replicas store what workers report last.
            for role, group in (("replicas", self.replicas), ("workers", self.workers), ("gateways", self.gateways)):
                started.push_async_callback(self._stop_members, role, group)
            for member in self.members:
                member.launch()
            # RabbitMQ takes long, and they wait for it by themselves.
            await asyncio.gather(*map(ready, self.servers.private))
            for group in ([*self.replicas, *self.workers], self.gateways):
                await asyncio.gather(*(member.until_ready() for member in group))
            if self._supervise:
                self._start_keepers()
                started.push_async_callback(self._end_keepers)
            self._running = started.pop_all()

    async def stop(self) -> None:
        await self._running.aclose()

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def targets(self) -> Path:
        """Where Prometheus finds all of them."""
        return self.folder / FILE

    def _tell_metrics(self) -> Iterator[Target]:
        """Their ports stay over restarts."""
        groups = {"training": self.replicas, "worker": self.workers, "gateway": self.gateways}
        for component, members in groups.items():
            yield from (Target(f"127.0.0.1:{member.metrics_port}", member.name, component) for member in members)
        if self.servers.rabbitmq is not None:
            yield Target(f"127.0.0.1:{self.servers.rabbitmq.metrics_port}", "rabbitmq-1", "rabbitmq")

    def _check_address(self) -> None:
        if self._listen.port:
            try:
                check_free(*self._listen)
            except OSError as error:
                raise cant_listen(self._listen, error) from None

    def _make_members(self) -> None:
        self.replicas = [self._member("replica", i, Listen("127.0.0.1", free_port())) for i in range(self._sizes["replica"])]
        self.workers = [self._member("worker", i) for i in range(self._sizes["worker"])]
        listen = self._listen._replace(port=self._listen.port or free_port())
        for i in range(self._sizes["gateway"]):
            upstream = self.replicas[i % len(self.replicas)]
            self.gateways.append(self._member("gateway", i, listen, {"LEVAIN_UPSTREAM_URL": upstream.url}))
            listen = listen._replace(port=next_free_port(*listen))

    def _member(self, role: str, number: int, listen: Listen | None = None, more: Mapping[str, str] | None = None) -> Member:
        name = f"{role}-{number + 1}"
        issuers = (self._issuer, self._operator)
        common = Common(self.servers.broker_url, self.servers.database_url, issuers, self._sizes["worker"], self._sample)
        environment = {**environment_of(role, name, common), **(more or {}), **self._more.get(role, {})}
        return Member(name, [sys.executable, *self._commands[role]], environment, self.logs, listen)

    def _start_keepers(self) -> None:
        kept = [keep(member.program, member.relaunch, member.until_ready, self._say) for member in self.members]
        kept += [keep(server.program, server.launch, partial(ready, server), self._say) for server in self.servers.private]
        self._keepers = [asyncio.create_task(one) for one in kept]

    async def _end_keepers(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.wait(self._keepers)

    async def _stop_members(self, role: str, members: list[Member]) -> None:
        self._say(f"stopping {len(members)} {role}")
        for member, code in zip(members, await asyncio.gather(*(member.stop() for member in members)), strict=True):
            if code:
                self._say(f"{member.name} {member.program.how_it_ended()}")

    async def _stop_server(self, server: RabbitMQ | Postgres) -> None:
        self._say(f"stopping {server.program.name}")
        await asyncio.to_thread(server.stop)
