"""`levain up` as a process of its own: who may open a socket, what its log tells of tokens, and how it ends."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import aiohttp
import psutil
from tests.cli.command import Up, up, wait_until_no_child_is_left
from tests.e2e.tokens import Attempt, bad_tokens, doubled, in_each_place
from tests.training.harness import Client, sales_csv

from levain.tokens import issuer_of
from levain_contracts.claims import TrustedIssuer, sign
from levain_contracts.closecodes import retry_ms

ENDS_WITHIN_SECONDS = 10.0
TERMINATED = 128 + signal.SIGTERM  # docs/cli.md


class Seen(NamedTuple):
    code: int | None
    types: list[str]
    reason: str = ""


async def attempt(session: aiohttp.ClientSession, url: str, one: Attempt) -> Seen:
    address = f"{url}/api/v1/tenants/{one.tenant}/training{one.path}{one.query}"
    async with asyncio.timeout(20), session.ws_connect(address, headers=one.headers, protocols=one.protocols) as socket:
        assert socket.protocol == "levain.v1"
        return await to_the_end(socket)


async def to_the_end(socket: aiohttp.ClientWebSocketResponse) -> Seen:
    types, reason = [], ""
    while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
        types.append(json.loads(message.data)["type"])
    if message.type is aiohttp.WSMsgType.CLOSE:
        reason = message.extra or ""
    return Seen(socket.close_code, types, reason)


def refused(issuer: TrustedIssuer, bad: dict[str, str]) -> dict[str, Attempt]:
    good = sign(issuer, tenant_id="demo", subject="x")
    bearer = {"Authorization": f"Bearer {good}"}
    found = {f"{kind}, {place}": one for kind, token in bad.items() for place, one in in_each_place(token, 4401).items()}
    found |= doubled(good) | {
        "missing": Attempt(4401),
        "empty": Attempt(4401, headers={"Authorization": "Bearer "}),
        "of another scheme": Attempt(4401, headers={"Authorization": f"Basic {good}"}),
        "a strange origin": Attempt(4403, headers=bearer | {"Origin": "https://evil.example"}),
        "an unknown job": Attempt(4404, path="/jobs/unknown/live", headers=bearer),
        "a bad id": Attempt(4400, path="/jobs/Not_An_Id/live", headers=bearer),
    }
    foreign = in_each_place(sign(issuer, tenant_id="other", subject="x"), 4403)
    return found | {f"of another tenant, {place}": one for place, one in foreign.items()}


def tokens_in(attempts: Iterable[Attempt]) -> set[str]:
    """All that was sent as a token, whole and the parts that would give it away."""
    sent = set()
    for one in attempts:
        sent |= {part.removeprefix("levain.bearer.") for part in one.protocols if part != "levain.v1"}
        sent |= {part for part in one.headers.get("Authorization", "").split(" ")[1:] if part}
        sent |= {part.removeprefix("token=") for part in one.query.strip("?").split("&") if part}
    return sent | {part for token in sent for part in token.split(".")[1:] if len(part) > 10}


async def use(running: Up, issuer: TrustedIssuer) -> set[str]:
    """A job seen to its end by a token in each place, and all refusals; the tokens that were sent."""
    good = in_each_place(running.token)
    bad_ones = bad_tokens(issuer)
    bad = refused(issuer, bad_ones)
    async with aiohttp.ClientSession() as session:
        client = Client(session, f"{running.url}/api/v1/tenants/demo/training", running.token)
        await client.upload(sales_csv([f"Brot {i} 0.2s" for i in range(8)]))
        await client.start("job", "slow")
        seen = await asyncio.gather(*(attempt(session, running.url, one) for one in good.values()))
        assert [(s.types[0], s.types[-1], s.code) for s in seen] == [("snapshot", "completed", 1000)] * 3
        found = {name: await attempt(session, running.url, one) for name, one in bad.items()}
        assert {name: s.code for name, s in found.items()} == {name: one.code for name, one in bad.items()}
        assert not any(s.types for s in found.values())
        for token in bad_ones.values():
            status, problem = await Client(session, client.base, token).ask("GET", "/jobs")
            assert (status, problem["code"]) == (401, "token_invalid")
            assert token not in json.dumps(problem)
    return tokens_in([*good.values(), *bad.values()])


async def watching_while(running: Up, number: signal.Signals) -> tuple[list[Seen], list[psutil.Process]]:
    """Viewers of a job that is far from its end, when the signal comes, and the children that were at work then."""
    async with aiohttp.ClientSession() as session:
        client = Client(session, f"{running.url}/api/v1/tenants/demo/training", running.token)
        await client.upload(sales_csv([f"Brot {i} 0.1s" for i in range(2000)], days=30))
        await client.start("long", "slow")
        await client.wait_for("long", lambda job: job["products_completed"] >= 2)
        address = f"{client.base}/jobs/long/live?token={running.token}"
        async with AsyncExitStack() as viewers:
            sockets = [await viewers.enter_async_context(session.ws_connect(address)) for _ in range(10)]
            for socket in sockets:
                assert (await socket.receive_json())["type"] == "snapshot"
            children = psutil.Process(running.process.pid).children(recursive=True)
            running.process.send_signal(number)
            return await asyncio.gather(*map(to_the_end, sockets)), children


def ended_in_time(process: "subprocess.Popen[bytes]", children: list[psutil.Process]) -> str:
    """The rest of its standard output."""
    assert process.wait(ENDS_WITHIN_SECONDS) == TERMINATED
    assert process.stdout is not None
    wait_until_no_child_is_left(children)
    return process.stdout.read().decode()


def test_a_valid_token_in_each_place_opens_a_socket_a_bad_one_gets_its_code_and_no_log_line_holds_any(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        issuer = issuer_of((tmp_path / "data" / "secret").read_text().strip())
        sent = asyncio.run(use(running, issuer))
        left, children = asyncio.run(watching_while(running, signal.SIGTERM))
        assert children
        rest = ended_in_time(running.process, children)
    assert {s.code for s in left} == {1012}
    assert all(retry_ms(s.reason) is not None for s in left)
    log = (tmp_path / "up.err").read_text()
    assert len(sent) > 30 and running.token in sent
    assert [part for part in sent if part in log or part in rest] == []
    assert issuer.secret is not None and issuer.secret.get_secret_value() not in log
    assert "Traceback" not in log and rest == ""
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line for line in lines if line["level"] in ("error", "critical")] == []
    assert "a live socket was refused" in {line["message"] for line in lines}
