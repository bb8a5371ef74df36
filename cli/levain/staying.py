"""What `levain up` does with every kind of stack: own the folder, tell how to reach the stack, and stay."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from levain.datadir import DataDir
from levain.output import Output
from levain.page import link
from levain.target import DEFAULT_TENANT
from levain.tokens import configured_secret

TOKEN_HOURS = 24


class Stack(Protocol):
    @property
    def url(self) -> str: ...

    def token(self, tenant: str, *, hours: float) -> str: ...


@contextmanager
def owned(data_dir: DataDir, environment: Mapping[str, str]) -> Iterator[str]:
    """No other stack uses the folder while it is entered. Gives the secret that signs tokens."""
    secret = configured_secret(environment)
    data_dir.create()
    with data_dir.locked():
        yield secret or data_dir.secret_or_new()


async def stay(data_dir: DataDir, stack: Stack, urls: list[str], out: Output, *, page: bool) -> None:
    """Until it is cancelled; other commands on this machine find the stack by its folder. `page`: whether it serves one."""
    with data_dir.announced(stack.url):
        for url in urls:
            out.line(f"open  {url}/")
        token = stack.token(DEFAULT_TENANT, hours=TOKEN_HOURS)
        out.line(f"token {token}")
        if page:
            out.line(f"page  {link(stack.url, token)}")
        await asyncio.Event().wait()
