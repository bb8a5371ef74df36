"""`levain up`: the embedded stack that stays, on a folder that keeps its datasets, jobs, forecasts and secret."""

import asyncio
from collections.abc import Mapping

from levain import embedded
from levain.datadir import DataDir
from levain.demo import SAMPLE
from levain.output import Output
from levain.target import DEFAULT_TENANT
from levain.tokens import configured_secret
from levain_settings.readers import Listen

TOKEN_HOURS = 24
# Together with what else a stop takes these stay below ten seconds.
_STOPPING = {"drain_seconds": 1.0, "grace_seconds": 3.0}


async def up(data_dir: DataDir, listen: Listen, workers: int | None, out: Output, environment: Mapping[str, str]) -> int:
    """Ends only when it is cancelled."""
    secret = configured_secret(environment)
    data_dir.create()
    with data_dir.locked():
        secret = secret or data_dir.secret_or_new()
        options = {"listen": listen, "workers": workers, "secret": secret, "sample": SAMPLE, **_STOPPING}
        async with embedded.running(data_dir.path, **options) as stack:
            with data_dir.announced(stack.url):
                out.line(f"open  {stack.url}/")
                out.line(f"token {stack.token(DEFAULT_TENANT, hours=TOKEN_HOURS)}")
                await asyncio.Event().wait()
    return 0
