"""The ASGI app: routes, problems and the live endpoint over the services that it is given."""

import re
from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI
from starlette.websockets import WebSocket

from levain_asgi.linger import App, Linger, Receive, Send
from levain_training import problems
from levain_training.live import LiveEndpoint
from levain_training.routes import changes, datasets, forecasts, health, jobs
from levain_training.services import Services

API_VERSION = "1"
_LIVE = re.compile(r"/api/v1/tenants/([^/]+)/training/jobs/([^/]+)/live\Z")


def create_app(services: Services, live: LiveEndpoint) -> App:
    api = FastAPI(title="Levain training service", version=API_VERSION, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    api.state.services = services
    problems.install(api)
    for resource in (datasets, jobs, changes, forecasts, health):
        api.include_router(resource.router)
    http = Linger(api)

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        watched = _LIVE.match(scope["path"]) if scope["type"] == "websocket" else None
        if watched is None:
            await http(scope, receive, send)
        else:
            # Past the framework: each of its dozen nested calls would live as long as the viewer (docs/performance.md).
            await live(WebSocket(scope, receive, send), *watched.groups())

    return app
