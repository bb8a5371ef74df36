"""kopf watches, and feeds the memory; it handles nothing. Its finer handlers are called for edges and bring finalizers (decision 9)."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Any, Protocol

import kopf
from kubernetes.aio.client import Configuration

from levain_contracts.kubernetes import training_job, training_schedule
from levain_contracts.kubernetes.base import GROUP, VERSION
from levain_operator.memory import Memory, tenant_labels
from levain_operator.signs import Signs

log = logging.getLogger(__name__)

_DELETED = "DELETED"
# The API server sends a bookmark each minute: a watch that shows nothing for longer is dead.
_SILENCE_SECONDS = 70.0
_CONNECT_SECONDS = 10.0
# kopf ends where the request of a watch gets one of these; it goes on by itself where 410 comes in the stream.
_BEGIN_AGAIN = (409, 410)
_PAUSE_SECONDS = 1.0
_SERVER_SECONDS = 300  # then the server ends a watch, and it begins again where it was; kopf sends it as it is, and 300.0 is refused


class Wake(Protocol):
    def wake(self, uids: Iterable[str]) -> None: ...


def registry_of(memory: Memory, work: Wake, signs: Signs, configuration: Configuration) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return await connection_info(configuration)

    @kopf.on.event(GROUP, VERSION, training_job.PLURAL, registry=registry)
    async def job(event: Any, body: Any, **_: Any) -> None:
        signs.give("watch")
        work.wake(memory.saw_job(body, watched=True, deleted=event["type"] == _DELETED))

    @kopf.on.event(GROUP, VERSION, training_schedule.PLURAL, registry=registry)
    async def schedule(event: Any, body: Any, **_: Any) -> None:
        signs.give("watch")
        work.wake(memory.saw_schedule(body, deleted=event["type"] == _DELETED))

    @kopf.on.event("", "v1", "namespaces", registry=registry)
    async def namespace(event: Any, body: Any, **_: Any) -> None:
        signs.give("watch")
        if event["type"] != _DELETED:
            work.wake(memory.saw_namespace(body["metadata"]["name"], tenant_labels(body)))

    return registry


async def connection_info(configuration: Configuration) -> kopf.ConnectionInfo:
    """The same way to the API server as the operator's own calls have. kopf asks again when a token is refused."""
    header = (await configuration.auth_settings()).get("BearerToken", {}).get("value") or ""
    scheme, _, token = header.partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        ca_data=configuration.ca_cert_data,
        insecure=not configuration.verify_ssl,
        scheme=scheme or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        trust_env=True,
    )


def kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # our events are written by what was decided
    settings.scanning.disabled = True  # the resources are known: no right to watch all CRDs
    settings.peering.standalone = True  # who leads is said by the Lease
    settings.watching.server_timeout = _SERVER_SECONDS
    settings.watching.connect_timeout = _CONNECT_SECONDS
    settings.watching.inactivity_timeout = _SILENCE_SECONDS
    settings.persistence.finalizer = f"{GROUP}/never-used"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    return settings


async def watch(registry: kopf.OperatorRegistry) -> None:
    """Until it is cancelled, or the process is asked to end. Raises what beginning again does not mend, such as a missing CRD."""
    # At info it says of each event that it was handled, with all of its settings.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    while True:
        try:
            return await _watch(registry)
        except Exception as error:  # kopf's own are private
            if getattr(error, "status", None) not in _BEGIN_AGAIN:
                raise
            log.warning("watching anew", extra={"why": str(error)})
            await asyncio.sleep(_PAUSE_SECONDS)


async def _watch(registry: kopf.OperatorRegistry) -> None:
    stop = asyncio.Event()
    watching = asyncio.create_task(
        kopf.operator(
            registry=registry,
            settings=kopf_settings(),
            standalone=True,
            clusterwide=True,
            # For peering, which is off. Unnamed, kopf asks who runs it, and a pod's user may have no name.
            identity="levain-operator",  # type: ignore[arg-type]  # kopf exports no Identity
            stop_flag=stop,
        )
    )
    try:
        await asyncio.shield(watching)
    finally:
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([watching], timeout=_CONNECT_SECONDS)
        watching.cancel()
