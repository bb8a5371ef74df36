"""`helm test`: trains the sample, watches the job over a WebSocket through the gateway, and compares its end with REST."""

import asyncio
import json
import os
import uuid

import aiohttp
from pydantic import SecretStr

from levain_contracts.claims import Role, TrustedIssuer, sign

SECONDS = 240
GATEWAY, TENANT = os.environ["GATEWAY"], os.environ["TENANT"]


def token() -> str:
    if "TOKEN" in os.environ:
        return os.environ["TOKEN"]
    secret = SecretStr(os.environ["TOKEN_SECRET"])
    issuer = TrustedIssuer(issuer=os.environ["ISSUER"], audience=os.environ["AUDIENCE"], secret=secret)
    return sign(issuer, tenant_id=TENANT, subject="helm-test", role=Role.TRAINER, tenant_claim=os.environ["TENANT_CLAIM"])


async def refused_without_a_token(session: aiohttp.ClientSession, address: str) -> None:
    async with session.get(address, headers={"Authorization": "Bearer wrong"}) as answer:
        assert answer.status == 401, f"a wrong token got {answer.status}"


async def watched(session: aiohttp.ClientSession, address: str) -> list[dict[str, object]]:
    async with session.ws_connect(f"{address}/live", protocols=["levain.v1"]) as socket:
        frames = [json.loads(message.data) async for message in socket]
        assert socket.close_code == 1000, f"the socket ended with {socket.close_code}"
        return frames


async def main() -> None:
    jobs = f"{GATEWAY}/api/v1/tenants/{TENANT}/training/jobs"
    address = f"{jobs}/helm-test-{uuid.uuid4().hex[:12]}"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token()}"}) as session:
        await refused_without_a_token(session, jobs)
        async with session.put(address, json={"dataset": {"name": "sample"}}) as answer:
            assert answer.status == 202, f"starting: {answer.status} {await answer.text()}"
        frames = await watched(session, address)
        async with session.get(address) as answer:
            job = await answer.json()
    kinds, last = [frame["type"] for frame in frames], frames[-1]
    assert kinds[0] == "snapshot", kinds
    assert kinds[-1] == "completed", last
    assert (last["progress"], job["state"], job["progress"]) == (100, "completed", 100), (last, job)
    print(f"completed: {len(frames)} frames, {job['products_completed']} products")


asyncio.run(asyncio.wait_for(main(), SECONDS))
