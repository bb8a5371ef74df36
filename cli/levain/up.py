"""`levain up`: the embedded stack that stays, on a folder that keeps its datasets, jobs, forecasts and secret."""

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from levain import embedded
from levain.datadir import DataDir
from levain.output import Output
from levain.page import page_folder
from levain.shipped import SAMPLE
from levain.staying import owned, stay
from levain.targets import Target, write_targets
from levain_settings.readers import Listen

log = logging.getLogger(__name__)

# Together with what else a stop takes these stay below ten seconds.
_STOPPING = {"drain_seconds": 1.0, "grace_seconds": 3.0}


async def up(
    data_dir: DataDir, listen: tuple[Listen, Listen | None], workers: int | None, out: Output, environment: Mapping[str, str]
) -> int:
    """`listen`: for everybody, and for metrics, None for no metrics. Ends only when it is cancelled."""
    with owned(data_dir, environment) as secret:
        page = page_folder(environment)
        options = {"listen": listen[0], "metrics_listen": listen[1], "workers": workers, "secret": secret, "sample": SAMPLE, "page": page}
        async with embedded.running(data_dir.path, **options, **_STOPPING) as stack:
            if stack.metrics_url is not None:
                told = write_targets(data_dir.path, [Target(urlsplit(stack.metrics_url).netloc, "levain-1", "all")])
                log.info("metrics are told", extra={"url": stack.metrics_url, "targets": str(told)})
            await stay(data_dir, stack, [stack.url], out, page=page is not None)
    return 0
