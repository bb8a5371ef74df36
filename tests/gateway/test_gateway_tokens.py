import logging
import time
from typing import Any

import aiohttp
import jwt
import pytest
from tests.gateway.kit import ISSUER, JOBS, LIVE, SECRET, TENANT, Stack, closing, exchange, metric, run, stack, token, until, upgrade, watch
from yarl import URL

from levain_contracts.claims import Role, TrustedIssuer

OTHER_LIVE = LIVE.replace(TENANT, "other")


def made(header: dict[str, Any] | None = None, key: str = SECRET, algorithm: str | None = "HS256", **claims: Any) -> str:
    now = int(time.time())
    payload = {"iss": "tests", "aud": "levain", "sub": "x", "iat": now, "exp": now + 60, "tenant_id": TENANT} | claims
    return jwt.encode({k: v for k, v in payload.items() if v is not None}, key, algorithm=algorithm, headers=header)


def bad_tokens() -> dict[str, str]:
    now = int(time.time())
    good = made()
    return {
        "empty": "",
        "no token": "x",
        "unsigned": made(algorithm=None, key=""),
        "another key": made(key="another-another-another-another-another"),
        "another algorithm": made(algorithm="HS512", key=SECRET * 2),
        "changed": good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
        "expired": made(iat=now - 100, exp=now - 40),
        "of the future": made(iat=now + 40),
        "not yet": made(nbf=now + 40),
        "for 25 hours": made(exp=now + 25 * 3600),
        "another audience": made(aud="bread"),
        "another issuer": made(iss="somebody"),
        "without tenant": made(tenant_id=None),
        "without end": made(exp=None),
        "without start": made(iat=None),
        "without subject": made(sub=None),
        "a tenant that is no id": made(tenant_id="Acme"),
        "a tenant that is a list": made(tenant_id=[TENANT]),
        "an end that is a text": made(exp="9" * 10),
        "an end that is true": made(exp=True),
        "a role unknown": made(role="root"),
        "the operator's role": made(role="operator"),
        "a role that is a list": made(role=["trainer"]),
        "too long": made(note="x" * 9000),
    }


async def both_answers(at: Stack, bearer: str) -> tuple[int, int]:
    """The close code over WebSocket, the status over HTTP."""
    async with aiohttp.ClientSession() as client, client.get(at.url(JOBS), headers={"Authorization": f"Bearer {bearer}"}) as answer:
        if answer.status != 200:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert (await answer.json())["status"] == answer.status
        return (await closing(at.port, bearer)).code, answer.status


def test_every_bad_token_is_refused_with_4401_and_401_and_stands_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def work() -> None:
        async with stack() as at:
            tokens = bad_tokens()
            for name, bearer in tokens.items():
                assert await both_answers(at, bearer) == (4401, 401), name
            assert at.service.heads == []
            assert metric(at.gateway, "refusals_total", reason="token_invalid") == 2 * len(tokens)

    run(work())
    text = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records if "websockets.client" not in record.name)
    assert "eyJ" not in text


def test_a_good_token_enters_in_each_of_its_ways_and_is_moved_to_a_header(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def work() -> None:
        async with stack() as at:
            bearer = token()
            protocols = ["levain.v1", f"levain.bearer.{bearer}"]
            async with watch(at.port, bearer) as socket:
                assert socket.subprotocol is None
            async with watch(at.port, path=f"{LIVE}?a=%20b&token={bearer}&c") as socket:
                assert await socket.recv() == '{"type":"snapshot"}'
            async with watch(at.port, subprotocols=protocols) as socket:
                assert socket.subprotocol == "levain.v1"
            async with watch(at.port, subprotocols=protocols[::-1]) as socket:
                assert socket.subprotocol == "levain.v1"
            async with aiohttp.ClientSession() as client, client.get(f"{at.url(JOBS)}?token={bearer}&limit=2") as answer:
                assert answer.status == 200
            assert [query for query, _ in at.service.heads] == ["", "a=%20b&c", "", "", "limit=2"]
            assert {headers["authorization"] for _, headers in at.service.heads} == {f"Bearer {bearer}"}
            assert {headers.get("sec-websocket-protocol") for _, headers in at.service.heads} == {None, "levain.v1"}

    run(work())
    ours = [record for record in caplog.records if record.name.startswith(("levain", "aiohttp", "asyncio"))]
    assert ours
    assert "eyJ" not in "\n".join(f"{record.getMessage()} {vars(record)}" for record in ours)


def test_a_missing_doubled_or_foreign_token_and_a_bad_path_have_their_own_codes() -> None:
    async def work() -> None:
        async with stack() as at:
            good = token()
            assert (await closing(at.port)).code == 4401
            assert (await closing(at.port, good, f"{LIVE}?token={good}")).code == 4400
            assert (await closing(at.port, good, subprotocols=["levain.v1", f"levain.bearer.{good}"])).code == 4400
            assert (await closing(at.port, good, OTHER_LIVE)).code == 4403
            assert (await closing(at.port, token("other"))).code == 4403
            assert (await closing(at.port, good, headers={"Origin": "https://evil.example"})).code == 4403
            assert (await closing(at.port, good, LIVE.replace(TENANT, "a%2Fb"))).code == 4400
            assert (await closing(at.port, good, LIVE.replace("j1", "J1"))).code == 4400
            assert (await closing(at.port, good, JOBS)).code == 4404
            async with aiohttp.ClientSession() as client:
                for path, bearer, status in [
                    (JOBS, None, 401),
                    (f"{JOBS}?token={good}", good, 400),
                    (JOBS, token("other"), 403),
                    (JOBS.replace(TENANT, "other"), good, 403),
                    (JOBS.replace(TENANT, "Acme"), good, 400),
                    ("/api/v1/training/jobs", good, 404),
                    (f"/api/v1/tenants/{TENANT}/../x/training/jobs", good, 400),
                ]:
                    headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
                    async with client.get(URL(at.url(path), encoded=True), headers=headers) as answer:
                        assert answer.status == status, path
                async with client.get(
                    at.url(JOBS), headers={"Authorization": f"Bearer {good}", "Origin": "https://evil.example"}
                ) as answer:
                    assert (answer.status, (await answer.json())["code"]) == (403, "bad_origin")
            assert at.service.heads == []

    run(work())


def test_a_refused_socket_is_accepted_properly_and_its_close_frame_arrives_even_when_the_client_has_sent_already() -> None:
    async def work() -> None:
        async with stack() as at:
            for _ in range(20):
                answer = await exchange(
                    at.port, upgrade(Sec_WebSocket_Protocol="levain.v1, chat") + b"\x81\x80mask" * 1000, pause_seconds=0
                )
                head, _, rest = answer.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 101 ")
                assert b"\r\nSec-WebSocket-Protocol: levain.v1\r\n" in head + b"\r\n"
                assert rest[:1] == b"\x88"
                assert rest[2:4] == (4401).to_bytes(2, "big")
            answer = await exchange(at.port, upgrade(Sec_WebSocket_Protocol="levain.bearer.x"))
            assert b"Sec-WebSocket-Protocol" not in answer

    run(work())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_WebSocket_Key": ""}, b"400"),
        ({"Sec_WebSocket_Key": "AAAA"}, b"400"),
        ({"Sec_WebSocket_Key": "no base64!"}, b"400"),
        ({"Sec_WebSocket_Version": ""}, b"426"),
        ({"Sec_WebSocket_Version": "8"}, b"426"),
        ({"Content_Length": "5"}, b"400"),
        ({"Transfer_Encoding": "chunked"}, b"400"),
    ],
)
def test_what_is_no_handshake_gets_a_plain_answer(headers: dict[str, str], status: bytes) -> None:
    async def work() -> None:
        async with stack() as at:
            answer = await exchange(at.port, upgrade(bearer=token(), **headers))
            assert answer.split(b" ")[1] == status
            assert (b"Sec-WebSocket-Version: 13" in answer) == (status == b"426")
            assert at.service.heads == []
            await until(lambda: metric(at.gateway, "handshakes_failed_total", status=status.decode()) == 1)

    run(work())


def test_a_viewer_may_watch_and_read_but_not_start_cancel_or_upload() -> None:
    async def work() -> None:
        async with stack() as at:
            bearer = token(role=Role.VIEWER)
            async with watch(at.port, bearer) as socket:
                assert await socket.recv() == '{"type":"snapshot"}'
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {bearer}"}) as client:
                for method, status in [("GET", 200), ("HEAD", 405), ("POST", 403), ("PUT", 403), ("DELETE", 403)]:
                    async with client.request(method, at.url(JOBS)) as answer:
                        assert answer.status == status, method

    run(work())


def test_a_tenant_has_a_limit_of_its_own_and_all_have_one_together() -> None:
    issuers = (ISSUER, TrustedIssuer(issuer="more", secret=ISSUER.secret))

    async def work() -> None:
        async with stack(max_connections=3, max_connections_per_tenant=2, issuers=issuers) as at:
            async with watch(at.port, token()) as first, watch(at.port, token()) as second:
                await first.recv()
                await second.recv()
                assert (await closing(at.port, token())).code == 4429
                async with watch(at.port, token("other"), OTHER_LIVE) as third:
                    await third.recv()
                    assert (await closing(at.port, token("third"), LIVE.replace(TENANT, "third"))).code == 4429
            await until(lambda: metric(at.gateway, "websockets_open") == 0)
            async with watch(at.port, token()) as again:
                assert await again.recv()

    run(work())
