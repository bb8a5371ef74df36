"""Makes the generated documents. With `--check` it writes nothing and exits 1 where one differs from the code."""

import sys
from pathlib import Path

from scripts import make_asyncapi, make_chart_docs, make_metrics_docs, make_monitoring, make_operator_docs, make_page_contracts
from scripts.drift import keep

import levain.tokens
import levain_gateway.settings
import levain_operator.settings
import levain_training.settings
import levain_training.worker_settings
from levain_settings import markdown

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "docs" / "settings.md"


def settings_text() -> str:
    return f"""# Settings

Every process reads its settings once, from the environment, and ends with exit code 78 and one line when one is wrong.
A secret may come from a file: `<NAME>_FILE` holds its path. `off` switches a thing off where the column says so.
Names of the form `LEVAIN_…_PORT` are ignored: Kubernetes injects them.
This page is made by `make docs` from the tables in the code.

## Training service (`levain-training serve`)

{markdown(levain_training.settings.SETTINGS)}
Where the broker is in memory, `serve` trains too and reads the worker's settings.
`levain-training migrate` needs only `LEVAIN_DATABASE_URL`.

## Worker (`levain-training worker`)

{markdown(levain_training.worker_settings.SETTINGS)}
## Gateway (`levain-gateway`)

{markdown(levain_gateway.settings.SETTINGS)}
## Operator: `levain-operator`

{markdown(levain_operator.settings.SETTINGS)}
## The command `levain`

{markdown(levain.tokens.SETTINGS)}
`LEVAIN_URL` and `LEVAIN_TOKEN` name a stack elsewhere, as `--url` and `--token` do. `levain demo` and `levain up` make their own secret;
it is kept in the data directory of `up`, readable by its owner only. `LEVAIN_EXTRA_TRAINERS` names trainers beside the installed
ones (`name=module:PLAN`, parted by commas).
"""


def main() -> int:
    """Says all that differs."""
    makers = (
        *(make_asyncapi.main, make_operator_docs.main, make_chart_docs.main, make_page_contracts.main),
        *(make_metrics_docs.main, make_monitoring.main),
    )
    return max(keep(SETTINGS, settings_text(), "the code"), *(make() for make in makers))


if __name__ == "__main__":
    sys.exit(main())
