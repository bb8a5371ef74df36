import pytest

from levain.errors import BadInput
from levain.proxies import is_loopback, proxy_for, without_credentials

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080", "http://127.9.9.9", "http://a.localhost"]
)
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_ones_own_machine_is_never_reached_through_a_proxy(url: str, variable: str) -> None:
    assert proxy_for(url, {variable: "socks5://127.0.0.1:9"}) is None


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("http://levain.example", {}, None),
        ("http://levain.example", {"http_proxy": PROXY}, PROXY),
        ("http://levain.example", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://levain.example", {"HTTPS_PROXY": PROXY}, None),
        ("https://levain.example", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://levain.example", {"ALL_PROXY": PROXY}, PROXY),
        ("https://levain.example", {"https_proxy": "proxy.example:3128"}, PROXY),
        ("https://levain.example", {"https_proxy": ""}, None),
        ("https://levain.example", {"https_proxy": "", "HTTPS_PROXY": PROXY}, None),
        ("https://levain.example", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        ("https://levain.example", {"HTTPS_PROXY": PROXY, "NO_PROXY": "other, .example"}, None),
        ("https://levain.example", {"HTTPS_PROXY": PROXY, "NO_PROXY": "example"}, None),
        ("https://levain.example", {"HTTPS_PROXY": PROXY, "NO_PROXY": "vain.example"}, PROXY),
        ("https://levain.example:8443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "levain.example:8443"}, None),
        ("https://levain.example:8443", {"HTTPS_PROXY": PROXY, "NO_PROXY": "levain.example:443"}, PROXY),
        ("http://10.1.2.3", {"HTTP_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://10.1.2.3", {"HTTP_PROXY": PROXY, "NO_PROXY": "192.168.0.0/16"}, PROXY),
        ("http://10.1.2.3", {"HTTP_PROXY": PROXY, "NO_PROXY": "10.1.2.3"}, None),
    ],
)
def test_the_proxy_comes_from_the_usual_variables(url: str, environment: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(url, environment) == proxy


def test_a_proxy_that_is_no_http_proxy_is_refused_by_name_without_its_credentials() -> None:
    with pytest.raises(BadInput) as refused:
        proxy_for("https://levain.example", {"ALL_PROXY": "socks5://user:geheim@127.0.0.1:9"})
    assert "socks5://127.0.0.1:9" in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_credentials_are_never_shown() -> None:
    assert without_credentials("http://u:p@h:1/x?token=y#z") == "http://h:1/x"


@pytest.mark.parametrize("host", ["", "example.com", "128.0.0.1", "localhost.example.com", "::2"])
def test_other_machines_are_other_machines(host: str) -> None:
    assert not is_loopback(host)
