from pathlib import Path

import aiohttp
from tests.gateway.kit import gateway, run, silence, stack, stub, until


def test_the_page_is_served_from_the_same_origin_with_strict_headers(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>Levain</title>")
    (tmp_path / "assets" / "app.js").write_text("1")

    async def work() -> None:
        async with stack(static_dir=tmp_path) as at, aiohttp.ClientSession() as client:
            for path, status, text in [
                ("/", 200, "<title>Levain</title>"),
                ("/jobs/j1", 200, "<title>Levain</title>"),
                ("/assets/app.js", 200, "1"),
                ("/assets/none.js", 404, None),
                ("/%2e%2e/%2e%2e/etc/passwd", 200, "<title>Levain</title>"),
                ("/../secret.txt", 404, None),
            ]:
                async with client.get(at.url(path)) as answer:
                    assert answer.status == status, path
                    assert text is None or await answer.text() == text
                    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
            async with client.post(at.url("/"), data=b"x") as answer:
                assert answer.status == 405

    run(work())


def test_files_that_are_named_by_their_content_are_kept_and_the_page_is_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>Levain</title>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("1")

    async def work() -> None:
        async with stack(static_dir=tmp_path) as at, aiohttp.ClientSession() as client:
            for path, kept in [("/assets/app-1a2b.js", "public, max-age=31536000, immutable"), ("/", "no-cache"), ("/jobs/j1", "no-cache")]:
                async with client.get(at.url(path)) as answer:
                    assert answer.headers["Cache-Control"] == kept, path
            async with client.get(at.url("/assets/none.js")) as answer:
                assert "Cache-Control" not in answer.headers

    run(work())


def test_without_a_page_it_says_what_it_is() -> None:
    async def work() -> None:
        async with stack() as at, aiohttp.ClientSession() as client:
            async with client.get(at.url("/")) as answer:
                assert (answer.status, (await answer.text()).startswith("Levain")) == (200, True)
            async with client.get(at.url("/x")) as answer:
                assert answer.status == 404

    run(work())


def test_it_is_ready_only_while_the_upstream_is() -> None:
    async def work() -> None:
        async with stack() as at, aiohttp.ClientSession() as client:
            await until(lambda: at.gateway.gate.ready)
            async with client.get(at.url("/readyz")) as answer:
                assert answer.status == 200
        async with stub(silence) as port, gateway(port) as server, aiohttp.ClientSession() as client:
            async with client.get(f"http://127.0.0.1:{server.port}/readyz") as answer:
                assert answer.status == 503
            async with client.get(f"http://127.0.0.1:{server.port}/healthz") as answer:
                assert answer.status == 200

    run(work())
