"""The fetch of a JWKS over https: bounded in size and time, no redirects, no proxy."""

import ssl

import aiohttp

MAX_BYTES = 256 * 1024
TIMEOUT_SECONDS = 5.0


class HttpsFetch:
    """`context` is for an issuer whose certificate a private authority has signed. Close it when done."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, url: str) -> bytes:
        """Raises aiohttp.ClientError, OSError or ValueError."""
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._context if self._context is not None else True, limit=4)
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        async with self._session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            body = await answer.content.read(MAX_BYTES + 1)
            while len(body) <= MAX_BYTES and (more := await answer.content.read(MAX_BYTES + 1 - len(body))):
                body += more
            if len(body) > MAX_BYTES:
                raise ValueError(f"the answer is longer than {MAX_BYTES} bytes")
            return body

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
