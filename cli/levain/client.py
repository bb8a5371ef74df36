"""The REST API as the command uses it: typed answers, patience with what passes by, one clear line for what does not."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ValidationError

from levain.contact import Contact
from levain.errors import BadInput, CommandFailed, ContactLost
from levain.problems import Passing, judge
from levain.target import Target
from levain_contracts.jobs import ProductState
from levain_contracts.resources import Dataset, ForecastSource, Job, JobSpec, Page, Product, ProductForecast, ProductPage
from levain_contracts.viewer import ProductEnd

PAGE = 1000
_CONNECT_SECONDS = 5.0
_SILENT_SECONDS = 60.0
_CLOSE_SECONDS = 1.0
_CHUNK_BYTES = 256 * 1024
# More than a frame can get: 50 repairs of 500 characters and 1,000 names of 200, four bytes a character.
_MAX_FRAME_BYTES = 4 * 1024 * 1024

M = TypeVar("M", bound=BaseModel)
Body = Callable[[], BinaryIO]


class Api:
    """Every method raises `BadInput` for a refusal and `ContactLost` when the patience of `contact` is over."""

    def __init__(self, session: aiohttp.ClientSession, target: Target, contact: Contact) -> None:
        self._session, self._contact, self.target = session, contact, target

    async def upload(self, name: str, path: Path) -> Dataset:
        try:
            answer = await self._call("POST", f"/datasets/{name}", body=lambda: path.open("rb"))
        except OSError as error:  # of the file: those of the network are told apart where they happen
            raise BadInput(f"{path} can't be read: {error.strerror}") from None
        return _read(Dataset, answer)

    async def put_job(self, job_id: str, spec: JobSpec) -> Job:
        body = spec.model_dump_json(exclude_defaults=True).encode()
        return _read(Job, await self._call("PUT", f"/jobs/{job_id}", json_body=body))

    async def job(self, job_id: str) -> Job:
        return _read(Job, await self._call("GET", f"/jobs/{job_id}"))

    async def products(self, job_id: str) -> AsyncIterator[Product]:
        after: str | None = ""
        while after is not None:
            page = await self._product_page(job_id, after=after)
            for product in page.items:
                yield product
            after = page.next

    async def ends_after(self, job_id: str, seq: int, *, patient: bool = True) -> tuple[int, list[tuple[int, ProductEnd]]]:
        """A closing read: the job's `seq` and every product's end after `seq`. Not `patient`: one try, which raises `Passing`."""
        first = page = await self._product_page(job_id, after_seq=seq, patient=patient)
        ends = [_end(p) for p in page.items if p.status is not ProductState.PENDING]
        while page.next is not None:
            page = await self._product_page(job_id, after=page.next, after_seq=seq, patient=patient)
            ends += [_end(p) for p in page.items if p.status is not ProductState.PENDING]
        # A later page may tell of a later seq, whose end could belong on a page that was read before.
        return first.seq, ends

    async def _product_page(self, job_id: str, *, after: str = "", after_seq: int | None = None, patient: bool = True) -> ProductPage:
        query = {"limit": str(PAGE)} | ({"after": after} if after else {}) | ({} if after_seq is None else {"after_seq": str(after_seq)})
        return _read(ProductPage, await self._call("GET", f"/jobs/{job_id}/products", query, patient=patient))

    async def save_forecasts(self, job_id: str, sink: BinaryIO, *, quartiles: bool = False) -> None:
        """Writes the job's forecasts as CSV to `sink`, from its start anew at each try."""
        query = {"quartiles": "true"} if quartiles else None
        await self._call("GET", f"/jobs/{job_id}/forecasts.csv", query, sink=sink)

    async def forecast_sources(self, name: str) -> list[ForecastSource]:
        """The series of that product name that have a forecast; at most one page."""
        return _read(Page[ForecastSource], await self._call("GET", "/products", {"name": name, "limit": str(PAGE)})).items

    async def forecast(self, product_id: str) -> ProductForecast:
        return _read(ProductForecast, await self._call("GET", f"/products/{quote(product_id, safe='')}/forecast"))

    @asynccontextmanager
    async def live(self, job_id: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The job's live socket. Raises aiohttp's errors: only the live client knows what each means for it."""
        async with self._session.ws_connect(
            self._url(f"/jobs/{job_id}/live"),
            protocols=["levain.v1"],
            headers=self._headers,
            proxy=self.target.proxy,
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
            max_msg_size=_MAX_FRAME_BYTES,
        ) as socket:
            yield socket

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.target.token}"}

    def _url(self, path: str) -> str:
        return f"{self.target.url}/api/v1/tenants/{self.target.tenant}/training{path}"

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        *,
        body: Body | None = None,
        json_body: bytes | None = None,
        sink: BinaryIO | None = None,
        patient: bool = True,
    ) -> bytes:
        while True:
            try:
                return await self._once(method, path, query, body, json_body, sink)
            except Passing as trouble:
                if not patient:
                    raise
                pause = self._contact.pause_seconds(str(trouble), trouble.pause_seconds)
            await asyncio.sleep(pause)

    async def _once(
        self, method: str, path: str, query: dict[str, str] | None, body: Body | None, json_body: bytes | None, sink: BinaryIO | None
    ) -> bytes:
        content_type = {"Content-Type": "application/json" if json_body else "application/octet-stream"}
        headers = self._headers | (content_type if body or json_body else {})
        with body() if body else nullcontext(json_body) as data:
            try:
                async with self._session.request(
                    method, self._url(path), params=query, data=data, headers=headers, proxy=self.target.proxy, allow_redirects=False
                ) as response:
                    answer = await _receive(response, sink)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise _trouble(error, self.target) from error
        judge(response.status, response.headers, answer, self.target.name)
        self._contact.heard()
        return answer


async def _receive(response: aiohttp.ClientResponse, sink: BinaryIO | None) -> bytes:
    if sink is None or response.status != 200:
        return await response.read()
    _write(sink, None)
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        _write(sink, chunk)
    return b""


def _write(sink: BinaryIO, chunk: bytes | None) -> None:
    """None empties it. A full disk is no trouble of the network, which would be tried again."""
    try:
        if chunk is None:
            sink.seek(0)
            sink.truncate()
        else:
            sink.write(chunk)
    except OSError as error:
        raise CommandFailed(f"the forecasts can't be written: {error.strerror}") from None


@asynccontextmanager
async def connected(target: Target, contact: Contact) -> AsyncIterator[Api]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Api(session, target, contact)


def describe(error: BaseException, target: Target) -> str:
    """One line on why there was no answer, with no credentials in it."""
    if isinstance(error, TimeoutError):
        return f"no answer in time from {target.name}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"no answer from {target.name} (HTTP {error.status})"
    errno = getattr(error, "errno", None) or 0
    # A name look-up has numbers of its own (negative), whose text is in `strerror`.
    text = os.strerror(errno) if errno > 0 else getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"can't reach {target.name} ({text})"


def _trouble(error: BaseException, target: Target) -> CommandFailed | Passing:
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return ContactLost(f"no safe connection to {target.name}: {error}")
    if isinstance(error, aiohttp.InvalidURL):
        return BadInput("--url (LEVAIN_URL) must look like https://levain.example.com")
    return Passing(describe(error, target))


def _read(model: type[M], answer: bytes) -> M:
    try:
        return model.model_validate_json(answer, extra="ignore")
    except ValidationError:
        raise BadInput("the answer is none of a Levain training service: is the address right?") from None


def _end(product: Product) -> tuple[int, ProductEnd]:
    end = ProductEnd(product.product_id, product.product, product.shop, product.status.value, product.reason, product.message)
    return product.seq or 0, end
