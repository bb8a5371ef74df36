"""`/healthz`: the process answers. `/readyz`: it can do its job now, or why not."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from levain_training.services import Uses

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/readyz", response_model=None)
async def readyz(uses: Uses) -> JSONResponse:
    problems = await uses.readiness.problems()
    return JSONResponse({"status": "not ready" if problems else "ready", "problems": problems}, 503 if problems else 200)
