"""The other objects of a release: what is made, when, and that its parts fit together."""

import json

import pytest
import yaml
from tests.chart.kit import CHART, SETS, Objects, Refused, Set

from levain.scaled.rabbitmq_users import TRAINING, WORKER

pytestmark = pytest.mark.chart


def test_every_object_is_named_once_in_the_releases_namespace_and_carries_the_labels(values: Set) -> None:
    objects = values.objects()
    names = [(o["kind"], o["metadata"]["name"]) for o in objects]
    assert len(set(names)) == len(names)
    for o in objects:
        labels = o["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "levain"
        assert labels["app.kubernetes.io/instance"] == "levain"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        if o["kind"] not in ("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"):
            assert o["metadata"]["namespace"] == "bakery"


def test_long_names_stay_within_what_kubernetes_takes() -> None:
    rendered = Set(more={"tests": {"enabled": True}}).template(release="a" * 53)
    objects = Objects(o for o in yaml.safe_load_all(rendered) if o)
    assert max(len(o["metadata"]["name"]) for o in objects if o["kind"] not in ("ClusterRole", "ClusterRoleBinding")) <= 63
    # Its pods get a label of its name, a dash and a hash.
    assert all(len(o["metadata"]["name"]) <= 52 for o in objects.of("StatefulSet"))


def test_selectors_choose_their_pods_and_never_change_with_a_version(values: Set) -> None:
    for o in values.objects():
        if o["kind"] in ("Deployment", "StatefulSet"):
            chosen = o["spec"]["selector"]["matchLabels"]
            labels = o["spec"]["template"]["metadata"]["labels"]
            assert chosen.items() <= labels.items()
            assert not {"helm.sh/chart", "app.kubernetes.io/version"} & (chosen.keys() | labels.keys())
            for claim in o["spec"].get("volumeClaimTemplates", []):
                assert claim["metadata"] == {"name": "data"}


@pytest.mark.parametrize("file", ["trainingjobs", "trainingschedules"])
def test_a_crd_is_the_file_that_the_tests_of_the_operator_know(file: str) -> None:
    written = yaml.safe_load((CHART / "files" / "crds" / f"{file}.yaml").read_text())
    for values, keep in ((Set(), True), (Set(more={"crds": {"keep": False}}), False)):
        made = values.objects().named("CustomResourceDefinition", f"{file}.levain.dev")
        assert made["spec"] == written["spec"]
        assert (made["metadata"].get("annotations") == {"helm.sh/resource-policy": "keep"}) is keep
    assert not SETS["no operator"].objects().of("CustomResourceDefinition")


def test_the_operators_rights_are_those_of_the_file() -> None:
    written = yaml.safe_load((CHART / "files" / "rbac" / "operator.yaml").read_text())
    objects = SETS["default"].objects()
    for kind, rules in (("ClusterRole", written["clusterRole"]), ("Role", written["role"])):
        (role,), (binding,) = objects.of(kind), objects.of(f"{kind}Binding")
        assert role["rules"] == rules
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "levain-operator", "namespace": "bakery"}]
    for kind in ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"):
        assert not SETS["no operator"].objects().of(kind)


def test_rabbitmqs_users_have_the_rights_that_the_broker_is_tested_with() -> None:
    for name, more in (("default", set()), ("KEDA", {"scaler"})):
        data = SETS[name].objects().named("ConfigMap", "levain-rabbitmq")["data"]
        rights = json.loads("{" + data["rights"])
        by_user = {r["user"]: (r["configure"], r["write"], r["read"]) for r in rights["permissions"]}
        assert by_user.pop("scaler", ("^$",) * 3) == ("^$", "^$", "^$")
        assert by_user == {user.name: (user.configure, user.write, user.read) for user in (TRAINING, WORKER)}
        assert {r["user"] for r in rights["permissions"]} == {"training", "worker", *more}
        assert ("rabbitmq_management" in data["enabled_plugins"]) is bool(more)


def test_sqlite_is_open_in_one_process_and_its_volume_outlives_the_release() -> None:
    objects = SETS["default"].objects()
    assert objects.named("Deployment", "levain-training")["spec"]["strategy"] == {"type": "Recreate"}
    claim = objects.named("PersistentVolumeClaim", "levain-data")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert {"name": "data", "mountPath": "/data"} in objects.container("training")["volumeMounts"]


def test_on_postgresql_replicas_roll_and_there_is_no_volume() -> None:
    objects = SETS["PostgreSQL"].objects()
    spec = objects.named("Deployment", "levain-training")["spec"]
    assert (spec["replicas"], spec["strategy"]["rollingUpdate"]) == (3, {"maxSurge": 1, "maxUnavailable": 0})
    assert not objects.of("PersistentVolumeClaim")


def test_the_schema_is_migrated_before_new_code_serves(values: Set) -> None:
    spec = dict(values.objects().pods())["training"]
    (migrate,) = spec["initContainers"]
    assert migrate["command"] == ["levain-training", "migrate"]
    assert migrate["image"] == spec["containers"][0]["image"]
    assert [v["name"] for v in migrate["env"]] == ["LEVAIN_DATABASE_URL"]


def test_a_budget_never_keeps_a_node_from_being_emptied(values: Set) -> None:
    assert all(budget["spec"]["maxUnavailable"] == 1 for budget in values.objects().of("PodDisruptionBudget"))


def test_where_replicas_are_scaled_the_deployment_names_none() -> None:
    for name, deployments in (("autoscaled", ("gateway", "worker")), ("KEDA", ("worker",))):
        objects = SETS[name].objects()
        scalers = [*objects.of("HorizontalPodAutoscaler"), *objects.of("ScaledObject")]
        assert {s["spec"]["scaleTargetRef"]["name"] for s in scalers} == {f"levain-{d}" for d in deployments}
        for deployment in deployments:
            assert "replicas" not in objects.named("Deployment", f"levain-{deployment}")["spec"]


def test_keda_is_given_the_scalers_name_and_password_where_it_reads_them() -> None:
    objects = SETS["KEDA"].objects()
    (scaled,), (access,) = objects.of("ScaledObject"), objects.of("TriggerAuthentication")
    (trigger,) = scaled["spec"]["triggers"]
    # Its RabbitMQ scaler takes both from a TriggerAuthentication alone.
    assert not {"username", "password"} & trigger["metadata"].keys()
    assert trigger["authenticationRef"] == {"name": access["metadata"]["name"]}
    (name,), (password,) = access["spec"]["configMapTargetRef"], access["spec"]["secretTargetRef"]
    assert (name["parameter"], password["parameter"]) == ("username", "password")
    data = objects.named("ConfigMap", name["name"])["data"]
    assert f'{{"name": "{data[name["key"]]}", "password": "%s", "tags": "monitoring"}}' in data["definitions.sh"]
    assert password["key"] in objects.named("Secret", password["name"])["data"]


def test_batches_out_follow_the_workers() -> None:
    out = {name: SETS[name].objects().environment("training")["LEVAIN_BATCHES_OUT"]["value"] for name in ("default", "KEDA", "production")}
    assert out == {"default": "4", "KEDA": "16", "production": "40"}


def test_routes_let_a_live_socket_last() -> None:
    objects = SETS["routes"].objects()
    (ingress,), (route,) = objects.of("Ingress"), objects.of("HTTPRoute")
    assert int(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 3600
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    rule = route["spec"]["rules"][0]
    service = objects.named("Service", "levain-gateway")
    assert (backend["name"], backend["port"]["name"]) == ("levain-gateway", service["spec"]["ports"][0]["name"])
    assert rule["backendRefs"] == [{"name": "levain-gateway", "port": service["spec"]["ports"][0]["port"]}]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}


def test_the_operator_leads_by_a_lease_in_its_own_namespace() -> None:
    environment = SETS["default"].objects().environment("operator")
    assert environment["LEVAIN_LEASE_NAMESPACE"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert environment["LEVAIN_IDENTITY"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_the_pod_of_helm_test_leaves_its_log_and_nothing_else_when_it_succeeds() -> None:
    pod = SETS["default"].objects().named("Pod", "levain-test")["metadata"]["annotations"]
    script = SETS["default"].objects().named("ConfigMap", "levain-test")["metadata"]["annotations"]
    # Helm's uninstall does not know of them.
    assert all("hook-succeeded" in made["helm.sh/hook-delete-policy"] for made in (pod, script))
    assert pod["helm.sh/hook-output-log-policy"] == "hook-succeeded,hook-failed"


def test_the_scripts_in_config_maps_are_python() -> None:
    for name in ("levain-test", "levain-reload"):
        (script,) = SETS["developing"].objects().named("ConfigMap", name)["data"].values()
        compile(script, name, "exec")


def test_trainers_of_ones_own_are_known_to_who_checks_a_model_and_to_who_trains_with_it() -> None:
    objects = Set(more={"trainers": {"mine": "bakery.trainers:MINE", "other": "bakery.trainers:OTHER"}}).objects()
    for component in ("training", "worker"):
        named = objects.environment(component)["LEVAIN_EXTRA_TRAINERS"]["value"]
        assert named == "mine=bakery.trainers:MINE,other=bakery.trainers:OTHER"
    with pytest.raises(Refused, match="/trainers/mine"):
        Set(more={"trainers": {"mine": "bakery"}}).template()
