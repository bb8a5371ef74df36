import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levain_gateway.settings import SETTINGS, from_environment
from levain_settings import Setting, SettingsError, load, markdown, rows
from levain_settings.readers import Listen, choice, count, listen, seconds, text, url, words

ISSUERS = json.dumps([{"issuer": "a", "secret": "x" * 32}])
LEAST = {"LEVAIN_UPSTREAM_URL": "http://training:8000", "LEVAIN_TRUSTED_ISSUERS": ISSUERS}
INJECTED = {
    "LEVAIN_PORT": "tcp://10.0.0.1:80",
    "LEVAIN_GATEWAY_PORT": "tcp://10.0.0.1:80",
    "LEVAIN_GATEWAY_PORT_8080_TCP_ADDR": "10.0.0.1",
    "LEVAIN_GATEWAY_SERVICE_HOST": "10.0.0.1",
    "LEVAIN_TRAINING_PORT": "tcp://10.0.0.1:80",
    "LEVAIN_RABBITMQ_PORT": "tcp://10.0.0.1:80",
}


def test_the_least_that_must_be_set_is_enough() -> None:
    made = from_environment(LEAST)
    assert made.upstream == ("training", 8000)
    assert made.listen == ("0.0.0.0", 8080)
    assert made.metrics_listen == ("0.0.0.0", 9090)
    assert made.allowed_origins == frozenset()
    assert made.static_dir is None


def test_what_kubernetes_injects_changes_nothing() -> None:
    assert from_environment(LEAST | INJECTED) == from_environment(LEAST)


@pytest.mark.parametrize("name", INJECTED)
def test_no_setting_may_have_a_name_that_kubernetes_injects(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Setting(name, str, None, "", "")


def test_a_variable_set_to_nothing_counts_as_not_set() -> None:
    assert from_environment(LEAST | {"LEVAIN_LISTEN": "", "LEVAIN_ALLOWED_ORIGINS": " "}) == from_environment(LEAST)


def test_everything_can_be_set_and_switched_off(tmp_path: Path) -> None:
    (tmp_path / "issuers.json").write_text(ISSUERS + "\n")
    given = {
        "LEVAIN_UPSTREAM_URL": "http://[::1]/",
        "LEVAIN_TRUSTED_ISSUERS_FILE": str(tmp_path / "issuers.json"),
        "LEVAIN_LISTEN": "[::]:0",
        "LEVAIN_METRICS_LISTEN": "off",
        "LEVAIN_MAX_CONNECTIONS": "off",
        "LEVAIN_MAX_CONNECTIONS_PER_TENANT": "off",
        "LEVAIN_ALLOWED_ORIGINS": "https://a.example, http://b.example:8080",
        "LEVAIN_STATIC_DIR": str(tmp_path),
        "LEVAIN_DRAIN_SECONDS": "0",
        "LEVAIN_TENANT_CLAIM": "https://levain.dev/tenant",
    }
    made = from_environment(given)
    assert (made.upstream, made.listen, made.metrics_listen) == (("::1", 80), ("::", 0), None)
    assert (made.max_connections, made.max_connections_per_tenant) == (None, None)
    assert made.allowed_origins == {"https://a.example", "http://b.example:8080"}
    assert (made.static_dir, made.drain_seconds, made.tenant_claim) == (tmp_path, 0, "https://levain.dev/tenant")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"LEVAIN_UPSTREAM_URL": ""}, "LEVAIN_UPSTREAM_URL is not set"),
        ({"LEVAIN_UPSTREAM_URL": "tcp://10.0.0.1:80"}, "expected an address such as http://"),
        ({"LEVAIN_UPSTREAM_URL": "http://a:b@c"}, "without user"),
        ({"LEVAIN_UPSTREAM_URL": "http://host:99999"}, "LEVAIN_UPSTREAM_URL"),
        ({"LEVAIN_UPSTREAM_URL": "http://host/path"}, "without a path"),
        ({"LEVAIN_LISTEN": "8080"}, "expected host:port"),
        ({"LEVAIN_LISTEN": "0.0.0.0:70000"}, "expected host:port"),
        ({"LEVAIN_MAX_CONNECTIONS": "0"}, "a whole number from 1"),
        ({"LEVAIN_MAX_CONNECTIONS": "1e3"}, "a whole number from 1"),
        ({"LEVAIN_DRAIN_SECONDS": "nan"}, "seconds from 0 to 600"),
        ({"LEVAIN_DRAIN_SECONDS": "-1"}, "seconds from 0 to 600"),
        ({"LEVAIN_LOG_LEVEL": "loud"}, "one of debug, info"),
        ({"LEVAIN_ALLOWED_ORIGINS": "*"}, "origins such as"),
        ({"LEVAIN_ALLOWED_ORIGINS": "https://a.example/"}, "origins such as"),
        ({"LEVAIN_STATIC_DIR": "/nowhere/at/all"}, "no such folder"),
        ({"LEVAIN_TRUSTED_ISSUERS": ""}, "LEVAIN_TRUSTED_ISSUERS is not set"),
        ({"LEVAIN_TRUSTED_ISSUERS": "[]"}, "the list is empty"),
        ({"LEVAIN_TRUSTED_ISSUERS": '[{"issuer": "a", "secret": "tooshort"}]'}, "at least 32 bytes"),
        ({"LEVAIN_TRUSTED_ISSUERS_FILE": "/nowhere"}, "both set"),
        ({"LEVAIN_TRUSTED_ISSUERS": "", "LEVAIN_TRUSTED_ISSUERS_FILE": "/nowhere"}, "can't be read"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it_and_holds_no_secret(change: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment(LEAST | change)
    line = str(caught.value)
    assert next(iter(change)) in line
    assert says in line
    assert "\n" not in line
    assert "tooshort" not in line


@given(st.sampled_from([listen, text(), count(1, 5), seconds(0, 5), choice("a"), words(listen), url("http")]), st.text(max_size=40))
def test_a_reader_gives_a_value_or_a_value_error(read: Any, value: str) -> None:
    try:
        read(value)
    except ValueError:
        pass


def test_the_table_for_the_documentation_names_each_setting_once_with_its_reason() -> None:
    listed = rows(SETTINGS)
    assert len({row.name for row in listed}) == len(SETTINGS)
    assert all(row.unit and row.why.endswith(".") for row in listed)
    assert "| `LEVAIN_DRAIN_SECONDS` | seconds | `5` |" in markdown(SETTINGS)


def test_a_secret_may_come_from_a_file_but_not_by_default(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no default"):
        Setting("LEVAIN_KEY", str, "x", "", "", secret=True)
    (tmp_path / "key").write_text("hush\n")
    setting = Setting("LEVAIN_KEY", str, None, "", "", secret=True)
    assert load([setting], {"LEVAIN_KEY_FILE": str(tmp_path / "key")}) == {"LEVAIN_KEY": "hush"}
    assert load([setting], {}) == {"LEVAIN_KEY": None}


def test_an_address_reads_as_host_and_port() -> None:
    assert listen("127.0.0.1:0") == Listen("127.0.0.1", 0)
