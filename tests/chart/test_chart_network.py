"""The arrows of the picture, and no others: who may speak to whom, as NetworkPolicies allow it."""

from typing import Any

import pytest
from tests.chart.kit import SETS, Json, Objects

pytestmark = pytest.mark.chart

OURS = ("gateway", "training", "worker", "operator", "rabbitmq", "test")


def ingress(objects: Objects, component: str) -> list[tuple[str, int]]:
    """Who comes in at which port; `*` is everyone."""
    return _arrows(objects, component, "ingress", "from")


def egress(objects: Objects, component: str) -> list[tuple[str, int]]:
    """DNS apart, which a rule of its own allows."""
    return [(peer, port) for peer, port in _arrows(objects, component, "egress", "to") if port != 53]


def _arrows(objects: Objects, component: str, side: str, key: str) -> list[tuple[str, int]]:
    spec = objects.named("NetworkPolicy", f"levain-{component}")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    return sorted((_name(peer), port["port"]) for rule in spec.get(side, []) for peer in rule.get(key, [None]) for port in rule["ports"])


def _name(peer: Json | None) -> str:
    if peer is None:
        return "*"
    if "podSelector" in peer:
        labels = peer["podSelector"]["matchLabels"]
        assert labels["app.kubernetes.io/instance"] == "levain"
        return str(labels["app.kubernetes.io/component"])
    return str(peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])


def test_all_is_denied_to_every_pod_of_the_release_at_first() -> None:
    objects = SETS["default"].objects()
    denied = objects.named("NetworkPolicy", "levain-default-deny")["spec"]
    assert denied.keys() == {"podSelector", "policyTypes"}
    assert denied["policyTypes"] == ["Ingress", "Egress"]
    chosen = denied["podSelector"]["matchLabels"].items()
    pods = [o for o in objects if o["kind"] in ("Deployment", "StatefulSet", "Pod")]
    assert len(pods) == len(OURS)
    for o in pods:
        labels = o["metadata"]["labels"] if o["kind"] == "Pod" else o["spec"]["template"]["metadata"]["labels"]
        assert chosen <= labels.items()


def test_the_arrows_of_the_default_are_those_of_the_picture() -> None:
    objects = SETS["default"].objects()
    assert {c: ingress(objects, c) for c in OURS} == {
        "gateway": [("*", 8080), ("monitoring", 9090)],
        "training": [("gateway", 8000), ("monitoring", 9090), ("operator", 8000)],
        "worker": [("monitoring", 9090)],
        "operator": [("monitoring", 9090)],
        "rabbitmq": [("monitoring", 15692), ("training", 5672), ("worker", 5672)],
        "test": [],
    }
    assert {c: egress(objects, c) for c in OURS} == {
        "gateway": [("training", 8000)],
        "training": [("rabbitmq", 5672)],
        "worker": [("rabbitmq", 5672)],
        "operator": [("*", 443), ("*", 6443), ("training", 8000)],
        "rabbitmq": [],
        "test": [("gateway", 8080)],
    }


def test_in_production_the_broker_the_database_and_the_issuers_keys_are_outside() -> None:
    objects = SETS["production"].objects()
    assert egress(objects, "training") == [("*", 443), ("*", 5432), ("*", 5671)]
    assert egress(objects, "worker") == [("*", 5671)]
    assert egress(objects, "gateway") == [("*", 443), ("training", 8000)]
    assert ingress(objects, "gateway") == [("ingress-nginx", 8080), ("monitoring", 9090)]


def test_keda_reaches_the_management_only_where_it_scales_the_workers() -> None:
    assert ("keda", 15672) in ingress(SETS["KEDA"].objects(), "rabbitmq")
    assert all(port != 15672 for o in ("default", "autoscaled") for _, port in ingress(SETS[o].objects(), "rabbitmq"))


def test_datasets_are_had_from_elsewhere_only_where_that_is_switched_on() -> None:
    assert egress(SETS["datasets by URI"].objects(), "training") == [("*", 443), ("rabbitmq", 5672)]


@pytest.mark.parametrize("component", [c for c in OURS if c != "rabbitmq"])
def test_dns_is_allowed_over_both_transports(component: str) -> None:
    rules = SETS["default"].objects().named("NetworkPolicy", f"levain-{component}")["spec"]["egress"]
    assert {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]} in rules


def test_every_service_and_policy_names_a_port_that_its_pods_have() -> None:
    for values in SETS.values():
        objects = values.objects()
        ports: dict[str, dict[Any, int]] = {}
        for component, container in objects.containers():
            found = ports.setdefault(component, {})
            found.update({port["name"]: port["containerPort"] for port in container.get("ports", [])})
        for service in objects.of("Service"):
            component = service["spec"]["selector"]["app.kubernetes.io/component"]
            assert all(port["targetPort"] in ports[component] for port in service["spec"]["ports"])
        if objects.of("NetworkPolicy"):
            for component in ports:
                assert {port for _, port in ingress(objects, component)} <= set(ports[component].values()), component
