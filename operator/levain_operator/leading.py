"""Who leads, by a Lease: the library's election, with calls that end and a Lease that is given back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException, V1Lease, V1ObjectMeta
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from levain_operator.signs import Signs

log = logging.getLogger(__name__)

LEASE_NAME = "levain-operator"
_ENDING_SECONDS = 2.0  # the Lease may be another's a second later


class Times:
    """Seconds. Who has not renewed for `renew_deadline` gives up, before another may take over after `lease`."""

    lease = 8
    renew_deadline = 5
    retry = 1
    call = 1.0


class LostLease(Exception):
    """Somebody else may lead by now."""


class LeadershipMetrics(Protocol):
    def leads(self, leading: bool) -> None: ...


class _Lock(LeaseLock):
    """The library's calls have no limit of time, and know no error but an answer of the API server."""

    def __init__(self, namespace: str, identity: str, client: ApiClient, signs: Signs) -> None:
        super().__init__(LEASE_NAME, namespace, identity, client)
        self._signs = signs

    async def get(self, name: str, namespace: str) -> Any:
        self._signs.give("lease")
        try:
            return await _bounded(super().get(name, namespace))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return False, ApiException(status=0, reason=str(error) or type(error).__name__)

    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        # The library's own asks for `pretty=True`, which its client refuses: the parameter is a text (kubernetes 37.0.1).
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            await _bounded(self.api_instance.create_namespaced_lease(namespace, lease))
        except (ApiException, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.info("the lease was not made", extra={"why": str(error)})
            return False
        return True

    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        try:
            return bool(await _bounded(super().update(name, namespace, updated_record)))
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def give_back(self) -> None:
        """Another may lead at once. Best effort: else it waits until the Lease has run out."""
        found, _ = await self.get(self.name, self.namespace)
        lease = self.lease_reference
        if found and lease is not None and lease.spec is not None and lease.spec.holder_identity == self.identity:
            lease.spec.holder_identity = None
            call = self.api_instance.replace_namespaced_lease(self.name, self.namespace, lease)
            try:
                await _bounded(call)
            except (ApiException, aiohttp.ClientError, TimeoutError, OSError) as error:
                log.info("the lease was not given back", extra={"why": str(error)})


async def _nothing() -> None:
    """The end of the election is what we wait for."""


async def _bounded(call: Awaitable[Any]) -> Any:
    async with asyncio.timeout(Times.call):
        return await call


async def lead(
    client: ApiClient,
    namespace: str,
    identity: str,
    signs: Signs,
    metrics: LeadershipMetrics,
    work: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Waits for the Lease, then works while it holds it; it is given back when the work ends. Raises `LostLease`."""
    lock, acquired = _Lock(namespace, identity, client, signs), asyncio.Event()

    async def led() -> None:
        acquired.set()

    times = {"lease_duration": Times.lease, "renew_deadline": Times.renew_deadline, "retry_period": Times.retry}
    # It ends when the Lease is lost. The work is not left to it: it would not wait for its end.
    electing = asyncio.create_task(LeaderElection(Config(lock, onstarted_leading=led, onstopped_leading=_nothing, **times)).run())
    try:
        await _until_leading(electing, acquired)
        log.info("leading", extra={"identity": identity})
        metrics.leads(True)
        await _work_while(electing, work())
    finally:
        metrics.leads(False)
        if not electing.done():
            electing.cancel()
            await asyncio.wait([electing])
            await lock.give_back()


async def _until_leading(electing: "asyncio.Task[None]", acquired: asyncio.Event) -> None:
    waiting = asyncio.create_task(acquired.wait())
    try:
        await asyncio.wait({electing, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if electing.done():
        electing.result()
        raise LostLease("the election ended")


async def _work_while(electing: "asyncio.Task[None]", work: Coroutine[Any, Any, None]) -> None:
    working = asyncio.create_task(work)
    try:
        await asyncio.wait({electing, working}, return_when=asyncio.FIRST_COMPLETED)
        if electing.done():
            raise LostLease(f"the Lease {LEASE_NAME} could not be renewed")
        working.result()
    finally:
        working.cancel()
        await asyncio.wait([working], timeout=_ENDING_SECONDS)
