"""/metrics of both processes: on ports of their own, never through the gateway, at 0 from the start, and moving."""

import asyncio
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.gateway_process import free_port, gateway_process
from tests.e2e.whole import Embedded, run
from tests.training.harness import sales_csv

from levain.tokens import issuer_of
from levain_settings.readers import Listen

SECRET = "a secret that is long enough for these tests"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def page(session: aiohttp.ClientSession, port: int) -> Samples:
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200
        families = list(text_string_to_metric_families(await answer.text()))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def counters(samples: Samples) -> Samples:
    return {key: value for key, value in samples.items() if key[0].endswith("_total")}


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def test_both_processes_serve_their_metrics_on_their_own_ports_at_0_from_the_start_and_they_move(tmp_path: Path) -> None:
    service_metrics_port = free_port()

    async def scenario(whole: Embedded) -> None:
        async with gateway_process(whole.stack.service.port, issuer_of(SECRET)) as gateway:
            before = [await page(whole.session, port) for port in (gateway.metrics_port, service_metrics_port)]
            for samples, prefixes in zip(before, (("levain_gateway_",), ("levain_training_", "levain_worker_")), strict=True):
                assert len(counters(samples)) > 20
                assert all(key[0].startswith(prefixes) for key in samples)
            client = whole.client(port=gateway.port)
            await client.upload(sales_csv(["Brot 1", "Brot 2"]))
            await client.start("job", "instant")
            assert (await client.watch("job")).code == 1000
            assert (await client.watch("unknown")).code == 4404
            client.token = "rubbish"
            assert (await client.watch("job")).code == 4401
            at_gateway, at_service = await _once_all_have_left(whole.session, gateway.metrics_port, service_metrics_port)
            assert before[0].keys() <= at_gateway.keys() and before[1].keys() <= at_service.keys()
            _has_moved(before[0], at_gateway, before[1], at_service)
            for path in ("/metrics", "/api/v1/metrics", "/api/v1/tenants/anna/training/metrics"):
                async with whole.session.get(f"http://127.0.0.1:{gateway.port}{path}") as answer:
                    assert answer.status in (401, 404)
                    assert "levain_" not in await answer.text()

    run(scenario, tmp_path, secret=SECRET, service={"metrics_listen": Listen("127.0.0.1", service_metrics_port)})


async def _once_all_have_left(session: aiohttp.ClientSession, gateway_port: int, service_port: int) -> tuple[Samples, Samples]:
    async with asyncio.timeout(10):
        while True:
            gateway, service = await page(session, gateway_port), await page(session, service_port)
            if of(gateway, "levain_gateway_websockets_open") + of(service, "levain_training_viewers") == 0:
                return gateway, service
            await asyncio.sleep(0.05)


def _has_moved(gateway_before: Samples, gateway: Samples, service_before: Samples, service: Samples) -> None:
    assert {v for k, v in counters(gateway_before).items() if "http_requests" not in k[0]} == {0}
    assert set(counters(service_before).values()) == {0}
    assert of(gateway, "levain_gateway_websockets_opened_total") == 2
    assert of(gateway, "levain_gateway_websockets_closed_total", code="1000") == 1
    assert of(gateway, "levain_gateway_websockets_closed_total", code="4404") == 1
    assert of(gateway, "levain_gateway_refusals_total", reason="token_invalid") == 1
    assert of(gateway, "levain_gateway_websockets_open") == 0
    assert of(gateway, "levain_gateway_tunnel_frames_total") >= 4
    assert of(service, "levain_training_viewer_connects_total") == 1
    assert of(service, "levain_training_viewer_closes_total", code="1000") == 1
    assert of(service, "levain_training_viewer_refusals_total", reason="no_such_job") == 1
    assert of(service, "levain_training_viewers") == 0
    assert of(service, "levain_training_frames_sent_total") >= 2
    for kind in ("started", "progress", "completed"):
        assert of(service, "levain_training_events_published_total", type=f"training.{kind}", outcome="published") == 1
    assert of(service, "levain_training_events_published_total", type="training.product.completed", outcome="published") == 2
    consumed = [v for k, v in service.items() if k[0] == "levain_training_events_consumed_total"]
    assert sum(consumed) == 5
    assert of(service, "levain_training_jobs_ended_total", state="completed") == 1
