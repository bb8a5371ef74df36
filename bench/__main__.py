"""`python -m bench [NAME ...] [--rounds N]`: prints one table of ratios, medians of all rounds. Exits with 1 where a must fails."""

import argparse
import sys

from bench import fanout, forecast, forecast_end_to_end, forecast_stack, gateway, job, memory, observed, operator, reading, viewers, workers
from bench.report import Ratio, show

BENCHES = {
    "job": job.run,
    "workers": workers.run,
    "forecast": forecast.run,
    "forecast_stack": forecast_stack.run,
    "forecast_end_to_end": forecast_end_to_end.run,
    "fanout": fanout.run,
    "gateway": gateway.run,
    "viewers": viewers.run,
    "memory": memory.run,
    "observed": observed.run,
    "operator": operator.run,
    "reading": reading.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="which (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="each side is run so often, in turn (default: 3)")
    chosen = parser.parse_args()
    ratios: list[Ratio] = []
    for name in chosen.names or BENCHES:
        print(f"running {name}, {chosen.rounds} rounds", flush=True)
        ratios += BENCHES[name](chosen.rounds)
    show(ratios)
    return 0 if all(ratio.holds for ratio in ratios) else 1


sys.exit(main())
