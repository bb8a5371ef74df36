"""`python -m bench [job|fanout|memory ...] [--rounds N]`: prints one table of ratios, medians of all rounds."""

import argparse

from bench import fanout, job, memory
from bench.report import Ratio, show

BENCHES = {"job": job.run, "fanout": fanout.run, "memory": memory.run}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="which (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="each side is run so often, in turn (default: 3)")
    chosen = parser.parse_args()
    ratios: list[Ratio] = []
    for name in chosen.names or BENCHES:
        print(f"running {name}, {chosen.rounds} rounds", flush=True)
        ratios += BENCHES[name](chosen.rounds)
    show(ratios)


main()
