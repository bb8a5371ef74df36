"""The sample that comes with the command: `sample/make_sample.py` has made it."""

from pathlib import Path

SAMPLE = Path(__file__).parent / "sample" / "bakery.csv"
