"""Values that the chart refuses: by the schema or in one sentence, always with the name of the value."""

import json
import math
from collections.abc import Iterator

import pytest
import yaml
from jsonschema import Draft7Validator
from tests.chart.kit import CHART, EXTERNAL, Json, Refused, Set

from levain_gateway.settings import SETTINGS as GATEWAY
from levain_operator.settings import SETTINGS as OPERATOR
from levain_settings import Setting
from levain_training.settings import SETTINGS as TRAINING
from levain_training.worker_settings import SETTINGS as WORKER

pytestmark = pytest.mark.chart

SCHEMA: Json = json.loads((CHART / "values.schema.json").read_text())
TABLES = {"gateway": GATEWAY, "training": TRAINING, "workers": WORKER, "operator": OPERATOR}
SETTINGS = [
    (setting, schema)
    for part, table in TABLES.items()
    for setting in table
    if (schema := SCHEMA["properties"][part]["properties"]["settings"]["properties"].get(setting.name))
]
WORDS = ("off", "five", "5 s", "debug", "https://shop.example", "wss://levain.example/live", "http:/x", "a name", "levain", "-1", "nan")


def test_several_replicas_on_sqlite_are_refused_in_one_sentence() -> None:
    sentence = "training.replicas is 2, but SQLite serves one replica only: set it to 1, or database.type to postgresql."
    with pytest.raises(Refused, match=sentence):
        Set(more={"training": {"replicas": 2}}).template()


def test_a_kubernetes_that_is_too_old_is_refused_in_one_sentence() -> None:
    assert Set().template("--kube-version", "1.27.0")
    with pytest.raises(Refused, match=r"Kubernetes v1\.26\.9 is too old: 1\.27 or newer is needed\."):
        Set().template("--kube-version", "1.26.9")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"database": {"type": "postgresql"}}, "database.type is postgresql: name the Secret .* in database.existingSecret"),
        (
            {"rabbitmq": {"enabled": False}},
            "rabbitmq.enabled is false: .* broker.training.existingSecret and broker.worker.existingSecret",
        ),
        ({"auth": {"shared": {"enabled": False}}}, "name an issuer in auth.issuers, or set auth.shared.enabled"),
        (
            {"workers": {"autoscaling": {"enabled": True}, "keda": {"enabled": True}}},
            "workers.autoscaling and workers.keda are both on: keep one of them",
        ),
        (
            EXTERNAL | {"workers": {"keda": {"enabled": True}}},
            "workers.keda.enabled with an external .* workers.keda.existingSecret",
        ),
        ({"httpRoute": {"enabled": True}}, "httpRoute.enabled is true: name the Gateway .* in httpRoute.parentRefs"),
        (
            {"gateway": {"autoscaling": {"enabled": True, "minReplicas": 9}}},
            r"gateway.autoscaling.minReplicas is 9, above maxReplicas, which is 6\.",
        ),
        ({"workers": {"autoscaling": {"enabled": True, "maxReplicas": 1, "minReplicas": 3}}}, "workers.autoscaling.minReplicas is 3"),
        ({"workers": {"keda": {"enabled": True, "minReplicas": 9}}}, "workers.keda.minReplicas is 9"),
        (
            {"training": {"extraEnv": [{"name": "LEVAIN_LOG_LEVEL", "value": "debug"}]}},
            "training.extraEnv holds LEVAIN_LOG_LEVEL: our own settings have their place in training.settings",
        ),
        ({"workers": {"extraEnv": [{"name": "LEVAIN_X", "value": "1"}]}}, "workers.extraEnv holds LEVAIN_X"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(more: Json, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        Set(more=more).template()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"gatway": {}}, "additional properties 'gatway' not allowed"),
        ({"gateway": None}, "missing property 'gateway'"),
        ({"gateway": {"replica": 2}}, "at '/gateway': additional properties 'replica' not allowed"),
        ({"gateway": {"settings": {"LEVAIN_DRAIN_SECOND": 5}}}, "additional properties 'LEVAIN_DRAIN_SECOND' not allowed"),
        ({"workers": {"settings": {"LEVAIN_DRAIN_SECONDS": 5}}}, "at '/workers/settings': additional properties 'LEVAIN_DRAIN_SECONDS'"),
        (
            {"gateway": {"settings": {"LEVAIN_DRAIN_SECONDS": "five"}}},
            "at '/gateway/settings/LEVAIN_DRAIN_SECONDS': got string",
        ),
        ({"training": {"replicas": "two"}}, "at '/training/replicas': got string, want integer"),
        ({"training": {"replicas": -1}}, "at '/training/replicas': minimum: got -1, want 0"),
        ({"gateway": {"service": {"type": "Public"}}}, "at '/gateway/service/type': value must be one of 'ClusterIP'"),
        ({"gateway": {"service": {"port": 65536}}}, "at '/gateway/service/port': maximum"),
        ({"gateway": {"image": {"digest": "sha256:12"}}}, "at '/gateway/image/digest'"),
        ({"gateway": {"image": {"pullPolicy": "Sometimes"}}}, "at '/gateway/image/pullPolicy': value must be one of"),
        ({"rabbitmq": {"image": {"tag": 4}}}, "at '/rabbitmq/image/tag': got number, want string"),
        ({"rabbitmq": {"memoryHighWatermark": "most"}}, "at '/rabbitmq/memoryHighWatermark': 'most' does not match"),
        ({"rabbitmq": {"persistence": {"size": "4 GB"}}}, "at '/rabbitmq/persistence/size': '4 GB' does not match"),
        ({"workers": {"resources": {"limits": {"memory": "lots"}}}}, "at '/workers/resources/limits/memory': 'lots' does not match"),
        (
            {"auth": {"issuers": [{"issuer": "x", "algorithm": "HS256", "secret": "s" * 40}]}},
            "at '/auth/issuers/0': .*'secret' not allowed",
        ),
        ({"auth": {"issuers": [{"issuer": "x", "algorithm": "RS256"}]}}, "at '/auth/issuers/0': missing property 'jwks_url'"),
        (
            {"auth": {"issuers": [{"issuer": "x", "algorithm": "RS256", "jwks_url": "http://x"}]}},
            "at '/auth/issuers/0/jwks_url': 'http://x' does not match",
        ),
        ({"database": {"type": "mysql"}}, "at '/database/type': value must be one of 'sqlite', 'postgresql'"),
        ({"database": {"sqlite": {"existingClaim": "A_claim"}}}, "at '/database/sqlite/existingClaim'"),
        ({"secrets": {"existingSecret": "A secret"}}, "at '/secrets/existingSecret'"),
        ({"fullnameOverride": "Levain_2"}, "at '/fullnameOverride': 'Levain_2' does not match"),
        ({"nameOverride": "x" * 41}, "at '/nameOverride': maxLength: got 41, want 40"),
        ({"commonLabels": {"team": 7}}, "at '/commonLabels/team': got number, want string"),
        ({"training": {"uriPrefixes": {"*": ["ftp://x/"]}}}, r"at '/training/uriPrefixes/\*/0': 'ftp://x/' does not match"),
        ({"training": {"extraEnv": [{"value": "1"}]}}, "at '/training/extraEnv/0': missing property 'name'"),
        ({"networkPolicy": {"gatewayFrom": [{"podSelectors": {}}]}}, "at '/networkPolicy/gatewayFrom/0': .*'podSelectors' not allowed"),
        ({"networkPolicy": {"dnsTo": [{}]}}, "at '/networkPolicy/dnsTo/0': minProperties: got 0, want 1"),
        ({"networkPolicy": {"apiServer": {"ports": []}}}, "at '/networkPolicy/apiServer/ports': minItems"),
        ({"ingress": {"hosts": "levain.example"}}, "at '/ingress/hosts': got string, want array"),
        ({"ingress": {"hosts": ["https://levain.example/"]}}, "at '/ingress/hosts/0': 'https://levain.example/' does not match"),
        ({"httpRoute": {"timeouts": {"request": "1 hour"}}}, "at '/httpRoute/timeouts/request': '1 hour' does not match"),
        ({"monitoring": {"podMonitor": {"interval": "often"}}}, "at '/monitoring/podMonitor/interval': 'often' does not match"),
        ({"podSecurityContext": {"runAsUser": 0}}, "at '/podSecurityContext/runAsUser': minimum: got 0, want 1"),
        ({"tests": {"tenant": "A tenant"}}, "at '/tests/tenant': 'A tenant' does not match"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(more: Json, message: str) -> None:
    with pytest.raises(Refused, match=message):
        Set(more=more).template()


def test_every_value_of_a_wrong_type_is_named_all_at_once() -> None:
    wrong: Json = {}
    paths = list(_leaves(yaml.safe_load((CHART / "values.yaml").read_text())))
    for *groups, name in paths:
        at = wrong
        for group in groups:
            at = at.setdefault(group, {})
        at[name] = [["a list in a list"]]
    with pytest.raises(Refused) as refused:
        Set(more=wrong).template()
    pointers = {"".join(f"/{name.replace('/', '~1')}" for name in path) for path in paths}
    assert not {pointer for pointer in pointers if f"at '{pointer}" not in str(refused.value)}
    assert len(paths) > 150


def _leaves(values: object, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(values, dict) or not values:
        yield at
        return
    for name, child in values.items():
        yield from _leaves(child, (*at, name))


@pytest.mark.parametrize(("setting", "schema"), SETTINGS, ids=lambda value: getattr(value, "name", ""))
def test_a_setting_takes_what_its_process_reads_and_nothing_else(setting: Setting, schema: Json) -> None:
    takes = Draft7Validator(schema).is_valid
    assert takes(None)
    assert all(takes(word) is _reads(setting, word) for word in WORDS)
    if "minimum" in schema:
        least, most = schema["minimum"], schema["maximum"]
        for number in (least, (least + most) // 2, most, least - 1, most + 1, math.nextafter(least, -1)):
            assert takes(number) is _reads(setting, f"{number}"), number


def _reads(setting: Setting, text: str) -> bool:
    try:
        return text == setting.off or bool([setting.read(text)])
    except ValueError:
        return False
