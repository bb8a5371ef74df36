"""Schemas of other projects. They are no part of this one: a check whose schema is not here is left out, and says so."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from tests.chart.kit import ROOT

# Names a folder with Skaffold's schema and, in `crds`, those of the Prometheus operator and KEDA.
FOLDER = "LEVAIN_TEST_SCHEMAS"
_MODULE, _SUM = "sigs.k8s.io/gateway-api@v1.4.1", "h1:NPxFutNkKNa8UfLd2CMlEuhIPMQgDQ6DXNKG9sHbJU8="
_HTTP_ROUTES = "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"


def skaffold() -> Path:
    return _file("skaffold-v4beta14.json")


def crds(group: str) -> list[Path]:
    """Of an API group that the chart has objects of and this project does not define."""
    if group == "gateway.networking.k8s.io":
        return [_gateway_api() / _HTTP_ROUTES]
    names = {"keda.sh": ("scaledobjects", "triggerauthentications"), "monitoring.coreos.com": ("podmonitors", "prometheusrules")}
    return [_file(f"crds/{group}_{name}.yaml") for name in names[group]]


def _file(name: str) -> Path:
    path = Path(os.environ.get(FOLDER) or ROOT.parent / "shared" / "schemas") / name
    if not path.is_file():
        pytest.skip(f"{name} is not here ({FOLDER} names its folder)")
    return path.resolve()


@cache
def _gateway_api() -> Path:
    """The Gateway API as Go's module of it, by Go: in CI it must be had."""
    go = shutil.which("go")
    done = go and subprocess.run(
        [go, "mod", "download", "-json", _MODULE], cwd="/", capture_output=True, text=True, check=False, timeout=150
    )
    if not done or done.returncode:
        reason = f"{_MODULE} is not here: {done.stdout + done.stderr if done else 'it is had by Go, which is missing'}"
        (pytest.fail if os.environ.get("LEVAIN_TEST_REQUIRE_CLUSTER") else pytest.skip)(reason)
    answer = json.loads(done.stdout)
    assert answer["Sum"] == _SUM
    return Path(answer["Dir"])
