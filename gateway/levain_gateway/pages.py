"""What the gateway answers itself: health, and the built page with headers that let it load nothing from elsewhere."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from levain_asgi.linger import App, Message, Receive, Send
from levain_gateway.gate import Gate

_SECURITY: list[tuple[bytes, bytes]] = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),  # an address may hold a token
    (b"cross-origin-opener-policy", b"same-origin"),
]
_WHAT_THIS_IS = "Levain: the API is at /api/v1, its description at /api/v1/openapi.json\n"


# The build names these after their content; all else is asked for again, so that nobody keeps an old page.
_NAMED_BY_CONTENT = "assets/"
_FOR_EVER, _ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"


class _Page(StaticFiles):
    """A path without a file of its own, and without a dot, is one of the page's own: it gets the page."""

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        response = await self._found(path, scope)
        response.headers["Cache-Control"] = _FOR_EVER if path.startswith(_NAMED_BY_CONTENT) else _ASK_AGAIN
        return response

    async def _found(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or "." in path.rsplit("/", 1)[-1]:
                raise
            return await super().get_response("index.html", scope)


def local_app(gate: Gate, static_dir: Path | None) -> App:
    page: App = _Page(directory=static_dir, html=True) if static_dir is not None else _without_page

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *_SECURITY]}
            await send(message)

        if scope["path"] in ("/healthz", "/readyz"):
            await _health(gate, scope["path"])(scope, receive, send)
            return
        try:
            await page(scope, receive, send_secured)
        except HTTPException as error:
            await PlainTextResponse(f"{error.detail}\n", error.status_code)(scope, receive, send_secured)

    return app


def _health(gate: Gate, path: str) -> Response:
    if path == "/healthz" or gate.ready:
        return PlainTextResponse("ok\n")
    why = "draining" if gate.tunnels.draining else "the training service is not ready"
    return PlainTextResponse(f"{why}\n", 503)


async def _without_page(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    found = scope["path"] == "/" and scope["method"] in ("GET", "HEAD")
    await PlainTextResponse(_WHAT_THIS_IS if found else "Not Found\n", 200 if found else 404)(scope, receive, send)
