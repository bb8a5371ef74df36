"""Where what is built once for the tests is kept: scripts/kube, scripts/helm and scripts/node put it there."""

import os
from pathlib import Path


def cache() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LEVAIN_CACHE") or Path(caches, "levain"))
