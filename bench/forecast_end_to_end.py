"""1,500 products of two years on one core, from the CSV file to the stored forecasts: products a second of CPU, and the peak of memory."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench.job import sales, write_csv
from bench.report import Ratio

PRODUCTS, DAYS = 1500, 730


def run(rounds: int) -> list[Ratio]:
    with tempfile.TemporaryDirectory() as name:
        csv = write_csv(sales([f"Product {i:04}" for i in range(PRODUCTS)], DAYS), Path(name) / "sales.csv")
        said = [_one(csv) for _ in range(rounds)]
    shares = {share: median(each["seconds"][share] for each in said) for share in said[0]["seconds"]}
    print("of it, CPU s: " + ", ".join(f"{share} {seconds:.2f}" for share, seconds in shares.items()))
    rates = [each["products"] / sum(each["seconds"].values()) for each in said]
    return [
        Ratio(f"{PRODUCTS:,} products of {DAYS} days, CSV to stored forecasts, one core", "products/CPU s", rates, [], ">= 1000"),
        Ratio("the same", "MB, peak", [each["peak_mb"] for each in said], [], "<= 256"),
    ]


def _one(csv: Path) -> dict[str, Any]:
    """In a process of its own, which starts with the memory of nobody."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.forecast_pipeline", str(csv), folder]
        said: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said
