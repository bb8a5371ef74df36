"""The operator's rights are what it uses, and no more: by the API server's audit log of a whole run."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.clocked import CLOCK
from tests.cluster.control_plane import Cluster
from tests.cluster.kit import ACCOUNT, RBAC, SYSTEM, Kit, has_ended, job, schedule, until
from tests.cluster.test_cluster_schedules import Clock, until_count

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(120)]

USER = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
# What every account may do: discovery.
_PATHS = ("/api", "/apis", "/version")


def granted() -> set[tuple[str, str, str]]:
    rights = yaml.safe_load(RBAC.read_text())
    return {
        (group, resource, verb)
        for rule in [*rights["clusterRole"], *rights["role"]]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(lines: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    found = set()
    for line in lines:
        about = line.get("objectRef")
        if about is None or "resource" not in about:
            assert line["requestURI"].partition("?")[0].startswith(_PATHS), line["requestURI"]
            continue
        resource = about["resource"] + (f"/{about['subresource']}" if "subresource" in about else "")
        found.add((about.get("apiGroup", ""), resource, line["verb"]))
    return found


def test_a_whole_run_uses_each_right_that_the_operator_has_and_is_refused_nothing(
    on_cluster: Callable[..., None], control_plane: Cluster, tmp_path: Path
) -> None:
    log = control_plane.audit_log
    if log is None:
        pytest.skip("an existing cluster shows no audit log")

    async def scenario(kit: Kit) -> None:
        await kit.upload(["Brot"])
        await kit.call("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/levain-operator")
        clock = Clock(tmp_path / "clock")
        await clock.early_in_a_minute()
        clocked = {CLOCK: str(tmp_path / "clock"), "LEVAIN_LEASE_NAMESPACE": SYSTEM}
        async with kit.operator(command=("-m", "tests.cluster.clocked"), **clocked):
            await kit.make(job("short", model="instant", ttlSecondsAfterFinished=1))
            await kit.make(schedule("nightly"))
            await asyncio.sleep(1)
            clock.set(60)

            async def only_the_schedules() -> bool:
                found = await kit.list()
                return len(found) == 1 and has_ended(found[0])

            await until(only_the_schedules, 25)
            await until_count(kit, 1)
            await asyncio.sleep(4)  # longer than a comparison

    before = log.stat().st_size
    on_cluster(scenario)
    with log.open("rb") as file:
        file.seek(before)
        lines = [line for line in map(json.loads, file) if line["user"]["username"] == USER]
    refused = [(line["verb"], line["requestURI"]) for line in lines if line.get("responseStatus", {}).get("code") == 403]
    assert refused == []
    assert used(lines) == granted()
