"""Datasets by URI, read by the child's own code from real servers: HTTPS with a certificate of a test authority, and an S3 endpoint."""

import datetime
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.training.harness import sales_csv

from levain_training.uris import UriNotReadable, read_chunks

BODY = sales_csv(["Brot"], days=4000)


class Handler(http.server.BaseHTTPRequestHandler):
    """`/bucket/exports/sales.csv` is there, with ranges as S3 has them; `/bucket/exports/moved.csv` points to it."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path == "/bucket/exports/moved.csv":
            self._send(302, b"", header=("Location", "/bucket/exports/sales.csv"))
        elif path != "/bucket/exports/sales.csv":
            self._send(404, b"")
        elif asked := self.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            end = min(int(last or len(BODY)), len(BODY) - 1)
            part = BODY[int(first) : end + 1]
            self._send(206, part, header=("Content-Range", f"bytes {first}-{end}/{len(BODY)}"))
        else:
            self._send(200, BODY, body=body)

    def _send(self, status: int, content: bytes, *, body: bool = True, header: tuple[str, str] = ("X-Test", "yes")) -> None:
        self.send_response(status)
        self.send_header(*header)
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Mon, 05 Feb 2024 00:00:00 GMT")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A self-signed one for 127.0.0.1: the file that a client has to trust, and the server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


def test_https_is_read_as_a_stream_and_no_redirect_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with serving(context) as port:
        base = f"https://127.0.0.1:{port}/bucket/exports/"
        assert b"".join(read_chunks(base + "sales.csv", [base])) == BODY
        for name in ("moved.csv", "none.csv"):
            with pytest.raises(UriNotReadable):
                list(read_chunks(base + name, [base]))


def test_a_certificate_that_nobody_trusts_is_not_read(tmp_path: Path) -> None:
    _, context = certificate(tmp_path)
    with serving(context) as port:
        base = f"https://127.0.0.1:{port}/bucket/exports/"
        with pytest.raises(UriNotReadable):
            list(read_chunks(base + "sales.csv", [base]))


def test_an_object_of_s3_is_read_from_the_configured_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint is a stand-in that knows HEAD, GET and ranges; signatures are made but not checked by it."""
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y"), ("AWS_DEFAULT_REGION", "eu-central-1")):
        monkeypatch.setenv(name, value)
    with serving() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        prefix = "s3://bucket/exports/"
        assert b"".join(read_chunks(prefix + "sales.csv", [prefix])) == BODY
        with pytest.raises(UriNotReadable):
            list(read_chunks(prefix + "none.csv", [prefix]))
