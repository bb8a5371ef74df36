"""The ASGI app: routes, problems and the live endpoint over the services that it is given."""

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from levain_training import problems
from levain_training.live import LiveEndpoint
from levain_training.routes import datasets, forecasts, health, jobs
from levain_training.services import Services

LIVE_PATH = "/api/v1/tenants/{tenant_id}/training/jobs/{job_id}/live"
API_VERSION = "1"


def create_app(services: Services, live: LiveEndpoint) -> FastAPI:
    app = FastAPI(title="Levain training service", version=API_VERSION, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    app.state.services = services
    problems.install(app)
    for resource in (datasets, jobs, forecasts, health):
        app.include_router(resource.router)

    async def live_endpoint(websocket: WebSocket) -> None:
        await live(websocket)

    app.router.routes.append(WebSocketRoute(LIVE_PATH, live_endpoint))
    return app
