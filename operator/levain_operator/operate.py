"""The composition root of the operator: what watches, what remembers, what decides, what writes."""

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from prometheus_client import CollectorRegistry

from levain_asgi.monitoring import monitored
from levain_asgi.process import until_asked_to_stop
from levain_operator import health
from levain_operator.cluster import ApiTrouble, Cluster
from levain_operator.leading import lead
from levain_operator.manifests import Ref
from levain_operator.memory import Memory
from levain_operator.metrics import Metrics
from levain_operator.plan import Rules
from levain_operator.polling import Comparison, Poller
from levain_operator.reconciler import Reconciler
from levain_operator.service import TrainingService
from levain_operator.settings import Settings
from levain_operator.signs import Signs
from levain_operator.throttle import Bucket
from levain_operator.tokens import OperatorTokens
from levain_operator.watching import registry_of, watch
from levain_operator.writing import EventWriter, StatusWriter
from levain_settings import SettingsError

log = logging.getLogger(__name__)

_EVENTS_PER_SECOND = 20.0
_RETRY_SECONDS = 5.0


class Ended(Exception):
    """A loop that never ends did: the process is of no use any more."""


def utc_now() -> datetime:
    return datetime.now(UTC)


async def operate(settings: Settings, *, now: Callable[[], datetime] = utc_now) -> None:
    """Until SIGTERM or SIGINT. Raises `LostLease`, `SettingsError`, and OSError where the port of its metrics can't be had."""
    asked = asyncio.create_task(until_asked_to_stop())
    registry, signs = CollectorRegistry(), Signs()
    metrics = Metrics(registry, signs)
    configuration = await _configuration(settings)
    async with (
        monitored(settings.metrics_listen, registry, partial(health.problem, signs), partial(health.dead, signs)),
        ApiClient(configuration) as client,
    ):
        work = partial(_work, settings, client, signs, metrics, now)
        if settings.lease_namespace is not None:
            work = partial(lead, client, settings.lease_namespace, settings.identity or _identity(), signs, metrics, work)
        await _unless_asked(asked, work())


async def _unless_asked(asked: "asyncio.Task[None]", work: Coroutine[Any, Any, None]) -> None:
    working = asyncio.create_task(work)
    await asyncio.wait({asked, working}, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        working.result()
    log.info("stopping")
    working.cancel()
    await asyncio.wait([working])


async def _work(settings: Settings, client: ApiClient, signs: Signs, metrics: Metrics, now: Callable[[], datetime]) -> None:
    memory, cluster = Memory(), Cluster(client, metrics)
    # Little at once: what waits is spread over the second, and the API server counts no more than the rate in any window.
    bucket = Bucket(settings.status_writes_per_second, max(settings.status_writes_per_second // 10, 1))
    timeout = aiohttp.ClientTimeout(total=settings.service_seconds)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        tokens = OperatorTokens(settings.issuer, time.time, settings.tenant_claim)
        service = TrainingService(session, settings.training_url, tokens)

        def gone(ref: Ref) -> None:
            reconciler.wake(memory.lost_job(ref.uid))

        statuses = StatusWriter(cluster, bucket, settings.status_seconds, gone, metrics)
        events = EventWriter(cluster, Bucket(_EVENTS_PER_SECOND, int(_EVENTS_PER_SECOND)), metrics)
        rules = Rules(stream_base=settings.stream_url)
        reconciler = Reconciler(memory, cluster, service, statuses, events, metrics, rules=rules, now=now)
        metrics.reads_from(waiting=lambda: reconciler.waiting, jobs=lambda: len(memory.jobs), schedules=lambda: len(memory.schedules))
        comparison = Comparison(cluster, service, memory, reconciler, signs, metrics, now=now)
        poller = Poller(service, memory, reconciler, signs, metrics, now=now)
        await _first(comparison)
        signs.give("watch")
        signs.give("attempt")
        await _all_of(
            watch(registry_of(memory, reconciler, signs, client.configuration)),
            reconciler.run(),
            statuses.run(),
            events.run(),
            poller.run(settings.poll_seconds),
            comparison.run(settings.compare_seconds),
        )


async def _first(comparison: Comparison) -> None:
    while True:
        try:
            return await comparison.first()
        except ApiTrouble as trouble:
            log.warning("the API server does not tell what there is", extra={"why": str(trouble)})
            await asyncio.sleep(_RETRY_SECONDS)


async def _all_of(watching: Coroutine[Any, Any, None], *loops: Coroutine[Any, Any, None]) -> None:
    """Until the watch ends, which it does when the process is asked to: kopf takes the signals over."""
    tasks = [asyncio.create_task(one) for one in (watching, *loops)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
        if not tasks[0].done():
            raise Ended("a loop of the operator ended")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _configuration(settings: Settings) -> Configuration:
    """Raises `SettingsError`."""
    try:
        return await _loaded(settings)
    except (config.ConfigException, OSError) as error:
        raise SettingsError(f"LEVAIN_KUBECONFIG ({settings.kubeconfig or 'off'}): the API server can't be found: {error}") from None


async def _loaded(settings: Settings) -> Configuration:
    # By default each call looks into ~/.netrc and for a proxy, which costs a fifth of the time; a kubeconfig can name a proxy.
    configuration = Configuration(client_session_kwargs={"trust_env": False})
    if settings.kubeconfig is not None:
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=str(settings.kubeconfig), client_configuration=configuration
        )
    else:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return configuration


def _identity() -> str:
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"
