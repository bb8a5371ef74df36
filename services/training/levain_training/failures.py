"""Why jobs and products fail: the codes that are ours, which are what metrics know. Their meanings: docs/errors.md and docs/data.md."""

# What a file is refused for (`ingest`).
DATA_CODES = (
    "ambiguous_column",
    "ambiguous_dates",
    "ambiguous_numbers",
    "bad_calendar",
    "bad_date_format",
    "compressed",
    "damaged_parquet",
    "date_without_year",
    "empty_file",
    "file_too_large",
    "missing_column",
    "mixed_dates",
    "mixed_numbers",
    "no_header",
    "no_rows",
    "no_usable_rows",
    "not_a_table",
    "span_too_long",
    "too_many_products",
    "unclosed_quote",
    "unknown_country",
    "unknown_encoding",
    "unknown_products",
    "unknown_subdivision",
    "unknown_time_zone",
    "unparsable_dates",
    "unparsable_quantities",
    "wide_parquet",
    "wide_table",
    "wrong_column_type",
    "wrong_field_count",
)
JOB_CODES = (
    "all_products_failed",
    "analysis_failed",
    "dataset_deleted",
    "deadline_exceeded",
    "too_many_failed_products",
    "uri_not_allowed",
    "uri_not_readable",
    *DATA_CODES,
)
# Of a child process that ended at work, unasked.
CHILD_DEATHS = ("worker_process_died", "out_of_memory", "time_limit")
# Of a product that the analysis leaves out.
SKIPPED = {
    "too_little_history": "fewer days of sales than a forecast needs",
    "dormant": "no sale in the last weeks of the file",
    "no_sales": "not one unit sold",
    "returns_exceed_sales": "more returned than sold over its whole history",
}
PRODUCT_CODES = (
    "no_forecast",
    "result_refused",
    "trainer_failed",
    "trainer_not_installed",
    "unknown_model",
    "worker_lost",
    *CHILD_DEATHS,
    *SKIPPED,
)
OTHER = "other"  # a trainer that is not ours may have codes of its own
