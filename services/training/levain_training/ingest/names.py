"""The product's and the shop's names: trimmed, never merged, never taken for missing values (`NA` is a product)."""

import polars as pl

from levain_contracts.model import MAX_NAME_CHARS
from levain_training.ingest.findings import Findings, quoted

_INVISIBLE_ENDS = "\ufeff\u200b"
_MAX_NEAR_EQUAL = 5


def read(rows: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Adds `shop` where the file has none, trims names, leaves out rows without a usable one."""
    rows = _trimmed(rows, "product")
    rows = _trimmed(_with_shop(rows, findings), "shop")
    rows = _without(rows, "missing_product", pl.col("product") == "", "left out: no product", findings)
    rows = _without(rows, "missing_shop", pl.col("shop") == "", "left out: no shop", findings)
    for column in ("product", "shop"):
        too_long = pl.col(column).str.len_chars() > MAX_NAME_CHARS
        rows = _without(rows, "name_too_long", too_long, f"left out: {column} of more than {MAX_NAME_CHARS} characters", findings)
    _note_near_equal(rows, findings)
    return _numbered(rows)


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `series`, a number per shop and product in the order of their names: grouping by it is 3 times faster than by text."""
    key = ("shop", "product")
    numbers = rows.select(key).unique().sort(key, nulls_last=False).with_row_index("series")
    return rows.join(numbers, on=key, how="left", maintain_order="left", nulls_equal=True)


def _with_shop(rows: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    if "shop" not in rows.columns:
        return rows.with_columns(shop=pl.lit(None, dtype=pl.String))
    if (rows["shop"].fill_null("").str.strip_chars() == "").all():
        findings.note("the shop column is empty: all rows are taken for one shop")
        return rows.with_columns(shop=pl.lit(None, dtype=pl.String))
    return rows.with_columns(pl.col("shop").fill_null(""))


def _trimmed(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    name = pl.col(column).str.replace_all(r"\p{Cc}", " ").str.strip_chars().str.strip_chars(_INVISIBLE_ENDS).str.strip_chars()
    return rows.with_columns(name.fill_null("") if column == "product" else name)


def _without(rows: pl.DataFrame, code: str, bad: pl.Expr, what: str, findings: Findings) -> pl.DataFrame:
    is_bad = bad.fill_null(value=False)
    findings.repair(code, rows.filter(is_bad), what)
    return rows.filter(~is_bad)


def _note_near_equal(rows: pl.DataFrame, findings: Findings) -> None:
    for column in ("product", "shop"):
        names = rows.select(pl.col(column).unique().drop_nulls())
        folded = pl.col(column).str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ")
        groups = names.group_by(folded.alias("key")).agg(pl.col(column).sort()).filter(pl.col(column).list.len() > 1).sort("key")
        shown = [" / ".join(quoted(name) for name in group) for group in groups[column].head(_MAX_NEAR_EQUAL)]
        if shown:
            more = f" and {groups.height - len(shown)} more" if groups.height > len(shown) else ""
            findings.note(f"near-equal {column} names are kept apart: {', '.join(shown)}{more}")
