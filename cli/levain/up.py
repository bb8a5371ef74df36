"""`levain up`: the embedded stack that stays, on a folder that keeps its datasets, jobs, forecasts and secret."""

from collections.abc import Mapping

from levain import embedded
from levain.datadir import DataDir
from levain.output import Output
from levain.shipped import SAMPLE
from levain.staying import owned, stay
from levain_settings.readers import Listen

# Together with what else a stop takes these stay below ten seconds.
_STOPPING = {"drain_seconds": 1.0, "grace_seconds": 3.0}


async def up(data_dir: DataDir, listen: Listen, workers: int | None, out: Output, environment: Mapping[str, str]) -> int:
    """Ends only when it is cancelled."""
    with owned(data_dir, environment) as secret:
        options = {"listen": listen, "workers": workers, "secret": secret, "sample": SAMPLE, **_STOPPING}
        async with embedded.running(data_dir.path, **options) as stack:
            await stay(data_dir, stack, [stack.url], out)
    return 0
