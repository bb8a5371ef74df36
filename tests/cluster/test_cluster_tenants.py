"""A namespace speaks for its tenant alone."""

import asyncio
from collections.abc import Callable

import pytest
from tests.cluster.kit import Kit, condition, job, state, unique
from tests.cluster.service_proxy import ServiceProxy

pytestmark = [pytest.mark.cluster, pytest.mark.servers, pytest.mark.timeout(120)]

OnCluster = Callable[..., None]


def test_a_job_reads_starts_and_cancels_nothing_of_another_tenant_whatever_its_spec_says(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        other = unique()
        assert (await kit.call("POST", "/api/v1/namespaces", {"metadata": {"name": other}}))[0] == 201
        await kit.upload([f"Brot {i} 0.5s" for i in range(40)], tenant=other, name="secret")
        async with ServiceProxy(kit.stack.replicas[0].url) as service, kit.operator(service_url=service.url):
            theirs = await kit.make(job("theirs", dataset="secret"), namespace=other)
            await kit.wait("theirs", lambda body: state(body) == "Running", namespace=other)
            await kit.make(job("by-name", dataset="secret"))
            uri = job("by-uri")
            uri["spec"]["dataset"] = {"uri": f"file:///data/{other}/secret.csv"}
            await kit.make(uri)
            assert condition(await kit.ended("by-name"), "Failed")["reason"] == "UnknownDataset"
            assert condition(await kit.ended("by-uri"), "Failed")["reason"] == "UriNotAllowed"

            # A status that points at their job, as whoever may write one could make it.
            await kit.make(job("liar", dataset="secret", suspend=True))
            forged = {"jobId": theirs["metadata"]["uid"], "tenantId": other}
            status, answer = await kit.call("PATCH", kit.path("liar") + "/status", {"status": forged})
            assert status == 200, answer
            await kit.edit("liar", {"suspend": False})
            await kit.ended("liar")
            await kit.delete("liar")
            await asyncio.sleep(4)  # longer than a comparison
            stored = await kit.stored(theirs)
            assert stored is not None
            assert stored["state"] == "training"
            about_theirs = [asked for asked in service.asked if theirs["metadata"]["uid"] in asked.path]
            assert about_theirs
            assert all(f"/tenants/{other}/" in asked.path for asked in about_theirs)
            assert not any(asked.path.endswith("/cancel") for asked in about_theirs)
            await kit.call("DELETE", f"/api/v1/namespaces/{other}")

    on_cluster(scenario)


def test_the_label_of_a_namespace_names_its_tenant_and_a_label_that_is_no_id_refuses_its_jobs(on_cluster: OnCluster) -> None:
    async def scenario(kit: Kit) -> None:
        tenant, wrong = unique(), unique()
        labelled = {"metadata": {"labels": {"levain.dev/tenant": tenant}}}
        assert (await kit.call("PATCH", f"/api/v1/namespaces/{kit.namespace}", labelled))[0] == 200
        body = {"metadata": {"name": wrong, "labels": {"levain.dev/tenant": "No_Id"}}}
        assert (await kit.call("POST", "/api/v1/namespaces", body))[0] == 201
        await kit.upload(["Brot"], tenant=tenant)
        async with kit.operator():
            await kit.make(job("bakery", model="instant"))
            body = await kit.ended("bakery")
            assert (state(body), body["status"]["tenantId"]) == ("Completed", tenant)
            await kit.make(job("bakery", model="instant"), namespace=wrong)
            body = await kit.wait("bakery", lambda body: state(body) == "Failed", namespace=wrong)
            assert condition(body, "Failed")["reason"] == "InvalidTenant"
            await kit.call("DELETE", f"/api/v1/namespaces/{wrong}")

    on_cluster(scenario)
