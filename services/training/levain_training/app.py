"""The ASGI app: routes, problems and the live endpoint over the services that it is given."""

import re
from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI
from starlette.websockets import WebSocket

from levain_asgi.linger import App, Linger, Message, Receive, Send
from levain_contracts.ids import REQUEST_ID_HEADER, request_id_of
from levain_logs import bound
from levain_training import problems
from levain_training.live import LiveEndpoint
from levain_training.routes import changes, datasets, forecasts, health, jobs, products
from levain_training.services import Services

API_VERSION = "1"
_REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
_LIVE = re.compile(r"/api/v1/tenants/([^/]+)/training/jobs/([^/]+)/live\Z")


def create_app(services: Services, live: LiveEndpoint) -> App:
    api = FastAPI(title="Levain training service", version=API_VERSION, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    api.state.services = services
    problems.install(api)
    for resource in (datasets, jobs, products, changes, forecasts, health):
        api.include_router(resource.router)
    http = Linger(api)

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        watched = _LIVE.match(scope["path"]) if scope["type"] == "websocket" else None
        if watched is None:
            request_id = request_id_of([value for name, value in scope.get("headers", ()) if name == _REQUEST_ID])
            with bound(request_id=request_id):
                await http(scope, receive, _named(send, request_id.encode()))
        else:
            # Past the framework: each of its dozen nested calls would live as long as the viewer (docs/performance.md).
            await live(WebSocket(scope, receive, send), *watched.groups())

    return app


def _named(send: Send, request_id: bytes) -> Send:
    """The answer bears the request's id."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (_REQUEST_ID, request_id)]
        await send(message)

    return named
