"""The product's and the shop's names: trimmed, never merged, never taken for missing values (`NA` is a product)."""

from typing import NamedTuple

import numpy as np
import polars as pl

from levain_contracts.model import MAX_NAME_CHARS
from levain_training.ingest.coded import Coded, Codes, Lines, Mask
from levain_training.ingest.findings import Findings, quoted
from levain_training.ingest.table import Table

_INVISIBLE_ENDS = "\ufeff\u200b"
_MAX_NEAR_EQUAL = 5
_FEW_PAIRS = 2**22


class Key(NamedTuple):
    shop: str | None
    product: str


class Named(NamedTuple):
    """`table` without the rows that have no usable name; `series` numbers their shop and product, the position in `keys`, in order."""

    table: Table
    series: Codes
    keys: list[Key]


def read(table: Table, findings: Findings) -> Named:
    product = trimmed(table.product)
    shop = _shop(table.shop, findings)
    kept = np.ones(len(table.lines), dtype=np.bool_)
    usable = _Usable(table.lines, kept, findings)
    usable.drop("missing_product", product, product.texts == "", "left out: no product")
    if shop is not None:
        usable.drop("missing_shop", shop, shop.texts == "", "left out: no shop")
    for role, column in (("product", product), ("shop", shop)):
        if column is not None:
            too_long = column.texts.str.len_chars() > MAX_NAME_CHARS
            usable.drop("name_too_long", column, too_long, f"left out: {role} of more than {MAX_NAME_CHARS} characters")
    if not kept.all():
        table, product = table.where(kept), product.where(kept)
        shop = None if shop is None else shop.where(kept)
    for role, column in (("product", product), ("shop", shop)):
        if column is not None:
            _note_near_equal(role, column, findings)
    return Named(table, *_numbered(product, shop))


class _Usable(NamedTuple):
    lines: Lines
    kept: Mask
    findings: Findings

    def drop(self, code: str, column: Coded, bad: pl.Series, what: str) -> None:
        if bad.any():
            rows = bad.to_numpy()[column.codes] & self.kept
            self.findings.repair(code, self.lines[rows], what)
            self.kept[rows] = False


def trimmed(column: Coded) -> Coded:
    """With texts in order; a missing one is ''."""
    text = pl.col("text").str.replace_all(r"\p{Cc}", " ").str.strip_chars().str.strip_chars(_INVISIBLE_ENDS).str.strip_chars()
    cleaned = pl.DataFrame({"text": column.texts}).select(text.fill_null("")).to_series()
    distinct = cleaned.unique().sort()
    numbers = cleaned.to_frame().join(distinct.to_frame().with_row_index("number"), on="text", how="left", maintain_order="left")
    return Coded(numbers["number"].to_numpy()[column.codes], distinct)


def _shop(column: Coded | None, findings: Findings) -> Coded | None:
    if column is None:
        return None
    shop = trimmed(column)
    if not shop.present()[(shop.texts != "").to_numpy()].any():
        findings.note("the shop column is empty: all rows are taken for one shop")
        return None
    return shop


def _numbered(product: Coded, shop: Coded | None) -> tuple[Codes, list[Key]]:
    """Numbers in the order of the names; only those of a row."""
    width = len(product.texts)
    pairs = product.codes if shop is None else shop.codes.astype(np.uint64) * np.uint64(width) + product.codes
    size = width * (1 if shop is None else len(shop.texts))
    if size <= max(_FEW_PAIRS, len(pairs)):
        present = np.flatnonzero(np.bincount(pairs.astype(np.intp, copy=False), minlength=size))
        numbers = np.zeros(size, dtype=np.uint32)
        numbers[present] = np.arange(len(present), dtype=np.uint32)
        series = numbers[pairs]
    else:
        present, inverse = np.unique(pairs, return_inverse=True)
        series = inverse.astype(np.uint32)
    products = product.texts.gather(present % width).to_list()
    shops = [None] * len(present) if shop is None else shop.texts.gather(present // width).to_list()
    return series, [Key(*pair) for pair in zip(shops, products, strict=True)]


def _note_near_equal(role: str, column: Coded, findings: Findings) -> None:
    names = pl.DataFrame({"name": column.texts}).filter(pl.Series(column.present()))
    folded = pl.col("name").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ")
    groups = names.group_by(folded.alias("key")).agg(pl.col("name").sort()).filter(pl.col("name").list.len() > 1).sort("key")
    shown = [" / ".join(quoted(name) for name in group) for group in groups["name"].head(_MAX_NEAR_EQUAL)]
    if shown:
        more = f" and {groups.height - len(shown)} more" if groups.height > len(shown) else ""
        findings.note(f"near-equal {role} names are kept apart: {', '.join(shown)}{more}")
