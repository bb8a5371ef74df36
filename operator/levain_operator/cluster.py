"""The Kubernetes API as the operator uses it: nine calls, plain data, each with a limit of time."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
from kubernetes.aio.client import ApiClient

from levain_contracts.kubernetes import training_job, training_schedule
from levain_contracts.kubernetes.base import API_VERSION, GROUP, VERSION
from levain_operator.manifests import FIELD_MANAGER, Json, Ref, delete_options

_PLURALS = {training_job.KIND: training_job.PLURAL, training_schedule.KIND: training_schedule.PLURAL}
_APPLY = "application/apply-patch+yaml"
_PAGE = 500  # of a list, as client-go's pager has it
_MAX_ATTEMPTS = 3  # at a list whose continuation expired


class ApiTrouble(Exception):
    """The API server refused, failed, or did not answer: `status` is 0 where there was no answer."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(f"{status or 'no answer'}: {message}")
        self.status, self.reason, self.message = status, reason, message

    @property
    def gone(self) -> bool:
        """No resource of this name, or another one has it by now (a UID that was asked for does not match)."""
        return self.status == 404 or (self.status == 409 and "UID" in self.message)


class CallMetrics(Protocol):
    def api_call(self, verb: str, resource: str, status: int, seconds: float) -> None: ...


class Cluster:
    """Methods raise `ApiTrouble`. `timeout_seconds` bounds each call."""

    def __init__(self, client: ApiClient, metrics: CallMetrics, timeout_seconds: float = 10.0) -> None:
        self._client, self._metrics, self._timeout = client, metrics, timeout_seconds

    async def jobs(self) -> list[Json]:
        return await self._list(f"/apis/{API_VERSION}/{training_job.PLURAL}", training_job.PLURAL)

    async def schedules(self) -> list[Json]:
        return await self._list(f"/apis/{API_VERSION}/{training_schedule.PLURAL}", training_schedule.PLURAL)

    async def namespaces(self) -> list[Json]:
        return await self._list("/api/v1/namespaces", "namespaces")

    async def job(self, namespace: str, name: str) -> Json:
        return await self._ask("GET", _path(training_job.KIND, namespace, name), training_job.PLURAL)

    async def create_job(self, namespace: str, body: Json) -> Json:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace)}/{training_job.PLURAL}"
        return await self._ask("POST", path, training_job.PLURAL, body=body, query={"fieldManager": FIELD_MANAGER})

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        await self._ask("DELETE", _path(training_job.KIND, namespace, name), training_job.PLURAL, body=delete_options(uid))

    async def apply_status(self, ref: Ref, body: Json) -> Json:
        """Server-side apply: whoever else wrote into the status before loses it to us."""
        path, query = f"{_path(ref.kind, ref.namespace, ref.name)}/status", {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._ask("PATCH", path, f"{_PLURALS[ref.kind]}/status", body=body, query=query, content_type=_APPLY)

    async def create_event(self, namespace: str, body: Json) -> None:
        await self._ask("POST", f"/api/v1/namespaces/{quote(namespace)}/events", "events", body=body)

    async def _list(self, path: str, resource: str) -> list[Json]:
        """All pages. A continuation may expire (410) while a slow server pages: then the list begins anew."""
        for attempt in range(_MAX_ATTEMPTS):
            try:
                return [item async for item in self._pages(path, resource)]
            except ApiTrouble as trouble:
                if trouble.status != 410 or attempt == _MAX_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    async def _pages(self, path: str, resource: str) -> Any:
        more: str | None = ""
        while more is not None:
            query = {"limit": str(_PAGE)} | ({"continue": more} if more else {})
            page = await self._ask("GET", path, resource, query=query)
            for item in page.get("items") or ():
                yield item
            more = page.get("metadata", {}).get("continue") or None

    async def _ask(
        self,
        method: str,
        path: str,
        resource: str,
        *,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        began, status = time.monotonic(), 0
        try:
            async with asyncio.timeout(self._timeout):
                status, raw = await self._request(method, path, (query or {}).items(), body, content_type)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiTrouble(0, str(error) or type(error).__name__) from error
        finally:
            self._metrics.api_call(method, resource, status, time.monotonic() - began)
        said = _object(raw)
        if 200 <= status < 300:
            if said is None:  # a proxy's page
                raise ApiTrouble(status, "the answer is no JSON object")
            return said
        said = said or {}
        raise ApiTrouble(status, str(said.get("message") or "it gave no reason"), str(said.get("reason") or ""))

    async def _request(
        self, method: str, path: str, query: Iterable[tuple[str, str]], body: Json | None, content_type: str
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        request = await self._client.param_serialize(
            method, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        answer = await self._client.call_api(*request, _request_timeout=self._timeout)
        raw: bytes = await answer.read()  # type: ignore[no-untyped-call]
        return answer.status, raw


def _path(kind: str, namespace: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace)}/{_PLURALS[kind]}/{quote(name)}"


def _object(raw: bytes) -> Json | None:
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
