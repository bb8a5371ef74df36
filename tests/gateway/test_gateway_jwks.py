import asyncio
import json
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from tests.gateway.kit import TENANT, answering, closing, gateway, run, silence, stack, stub

from levain_contracts.claims import TokenRefused, TrustedIssuer, verify
from levain_jwks import COOLDOWN_SECONDS, JwksCache, KeyNotKnown, parse
from levain_jwks.fetch import MAX_BYTES, HttpsFetch

URL = "https://issuer.example/jwks"
ISSUER = TrustedIssuer(issuer="idp", algorithm="RS256", jwks_url=URL)
KEYS = {kid: rsa.generate_private_key(65537, 2048) for kid in ("k1", "k2")}


def jwks(*kids: str) -> bytes:
    return json.dumps(
        {"keys": [json.loads(RSAAlgorithm.to_jwk(KEYS[kid].public_key())) | {"kid": kid, "use": "sig"} for kid in kids]}
    ).encode()


def signed(kid: str, *, named: bool = True, algorithm: str = "RS256", key: Any = None) -> str:
    now = int(time.time())
    payload = {"iss": "idp", "aud": "levain", "sub": "x", "iat": now, "exp": now + 60, "tenant_id": TENANT}
    return jwt.encode(payload, key or KEYS[kid], algorithm=algorithm, headers={"kid": kid} if named else None)


class Issuer:
    """Answers with `body`, or fails; counts how often it was asked."""

    def __init__(self, body: bytes | None) -> None:
        self.body = body
        self.asked = 0
        self.now = 1000.0

    async def fetch(self, url: str) -> bytes:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.body is None:
            raise OSError("away")
        return self.body

    def cache(self) -> JwksCache:
        return JwksCache([ISSUER], self.fetch, clock=lambda: self.now)


def test_a_new_key_is_fetched_when_a_token_names_it_and_the_old_one_goes_when_it_is_gone() -> None:
    async def work() -> None:
        issuer = Issuer(jwks("k1"))
        cache = issuer.cache()
        with pytest.raises(KeyNotKnown):
            verify(signed("k1"), [ISSUER], key_of=cache.key_of)
        assert await cache.refresh(URL)
        assert verify(signed("k1"), [ISSUER], key_of=cache.key_of).tenant_id == TENANT
        issuer.body = jwks("k2")
        with pytest.raises(KeyNotKnown):
            verify(signed("k2"), [ISSUER], key_of=cache.key_of)
        issuer.now += COOLDOWN_SECONDS
        assert await cache.refresh(URL)
        assert verify(signed("k2"), [ISSUER], key_of=cache.key_of).tenant_id == TENANT
        with pytest.raises(KeyNotKnown):
            verify(signed("k1"), [ISSUER], key_of=cache.key_of)

    run(work())


def test_unknown_keys_make_it_ask_once_in_a_cooldown_and_all_who_wait_share_one_fetch() -> None:
    async def work() -> None:
        issuer = Issuer(jwks("k1"))
        cache = issuer.cache()
        assert await asyncio.gather(*(cache.refresh(URL) for _ in range(50))) == [True] * 50
        assert issuer.asked == 1
        for _ in range(50):
            assert not await cache.refresh(URL)
        issuer.now += COOLDOWN_SECONDS
        assert await cache.refresh(URL)
        assert issuer.asked == 2

    run(work())


def test_the_keys_are_kept_when_the_issuer_is_away_or_answers_nonsense() -> None:
    async def work() -> None:
        issuer = Issuer(jwks("k1"))
        cache = issuer.cache()
        await cache.refresh(URL)
        for body in (None, b"<html>", b"{}", b'{"keys":[]}', b'{"keys":[{"kty":"RSA"},7]}', b"[" * 100_000):
            issuer.now += COOLDOWN_SECONDS
            issuer.body = body
            await cache.refresh(URL)
            assert verify(signed("k1"), [ISSUER], key_of=cache.key_of).subject == "x"
        assert issuer.asked == 7

    run(work())


def test_a_caller_that_gives_up_does_not_end_the_fetch_of_the_others() -> None:
    async def work() -> None:
        issuer = Issuer(jwks("k1"))
        cache = issuer.cache()
        first, second = asyncio.create_task(cache.refresh(URL)), asyncio.create_task(cache.refresh(URL))
        await asyncio.sleep(0)
        first.cancel()
        assert await second
        assert verify(signed("k1"), [ISSUER], key_of=cache.key_of)

    run(work())


def refused_with(body: bytes, token: str) -> bool:
    async def work() -> bool:
        cache = Issuer(body).cache()
        await cache.refresh(URL)
        try:
            verify(token, [ISSUER], key_of=cache.key_of)
        except TokenRefused:
            return True
        return False

    return run(work())


def test_a_key_must_be_of_the_issuer_s_kind_and_length() -> None:
    short = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    short_jwk = json.loads(RSAAlgorithm.to_jwk(short.public_key())) | {"kid": "short"}
    curve_jwk = json.loads(ECAlgorithm.to_jwk(curve.public_key())) | {"kid": "curve"}
    secret_jwk = {"kty": "oct", "k": "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHM", "kid": "secret"}
    good = json.loads(jwks("k1"))["keys"]
    body = json.dumps({"keys": [short_jwk, curve_jwk, secret_jwk, *good]}).encode()
    assert [key.key_id for key in parse(body)] == ["curve", "k1"]
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = signed("short", key=short)
    assert refused_with(body, token)
    assert refused_with(body, signed("curve", key=curve, algorithm="ES256"))
    assert refused_with(body, signed("secret", key="tests-tests-tests-tests-tests-tests", algorithm="HS256"))
    assert refused_with(body.replace(b'"sig"', b'"enc"'), signed("k1"))
    assert not refused_with(body, signed("k1"))


def test_a_token_without_a_key_id_counts_only_where_there_is_no_choice() -> None:
    assert not refused_with(jwks("k1"), signed("k1", named=False))
    assert refused_with(jwks("k1", "k2"), signed("k1", named=False))


def test_the_gateway_takes_a_rotated_key_at_the_first_token_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("levain_jwks.COOLDOWN_SECONDS", 0.0)

    async def work() -> None:
        issuer = Issuer(jwks("k1"))
        async with stub(silence) as port, gateway(port, issuers=(ISSUER,), fetch=issuer.fetch) as server:
            assert (await closing(server.port, signed("k2"))).code == 4401
            issuer.body = jwks("k2")
            assert (await closing(server.port, signed("k2"))).code == 1013
            assert (await closing(server.port, signed("k1"))).code == 4401

    monkeypatch.setattr("levain_gateway.tunnel.OPENING_SECONDS", 0.3)
    run(work())


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of a server on 127.0.0.1 and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    path = folder / "server.pem"
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


CASES: dict[str, tuple[bytes, Callable[[str], bool]]] = {
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", lambda text: "302" in text),
    "an error": (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", lambda text: "500" in text),
    "too much": (ok(b"x" * (MAX_BYTES + 1)), lambda text: "longer" in text),
}


def test_keys_come_over_real_https_and_nothing_else_is_taken(tmp_path: Path) -> None:
    server_context, client_context = certificate(tmp_path)

    async def ask(answer: bytes, context: ssl.SSLContext | None) -> bytes:
        fetch = HttpsFetch(context)
        server = await asyncio.start_server(answering(answer), "127.0.0.1", 0, ssl=server_context)
        try:
            return await fetch(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks")
        finally:
            await fetch.close()
            server.close()

    async def work() -> None:
        assert await ask(ok(jwks("k1")), client_context) == jwks("k1")
        for answer, says in CASES.values():
            with pytest.raises(ValueError) as caught:
                await ask(answer, client_context)
            assert says(str(caught.value))
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await ask(ok(jwks("k1")), None)

    run(work())


def test_an_issuer_that_can_not_be_reached_refuses_only_its_own_tokens() -> None:
    async def work() -> None:
        async with stack(issuers=(ISSUER.model_copy(update={"jwks_url": "https://127.0.0.1:9/jwks"}),)) as at:
            assert (await closing(at.port, signed("k1"))).code == 4401

    run(work())
