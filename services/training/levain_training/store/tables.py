"""The schema. Times are Unix seconds, documents are JSON text: the same on SQLite and PostgreSQL."""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

Seconds = sa.Double


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", sa.String(63), primary_key=True)


def _job() -> sa.Column[str]:
    return sa.Column("job_id", sa.String(63), primary_key=True)


datasets = sa.Table(
    "datasets",
    metadata,
    _tenant(),
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
)

blobs = sa.Table(
    "blobs",
    metadata,
    _tenant(),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    _tenant(),
    _job(),
    # NULL: only a mark that this id was cancelled before it was known.
    sa.Column("spec", sa.Text),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("suspended", sa.Boolean, nullable=False, default=False),
    sa.Column("seq", sa.BigInteger, nullable=False, default=0),
    sa.Column("published_seq", sa.BigInteger, nullable=False, default=0),
    sa.Column("analysed_seq", sa.BigInteger),
    sa.Column("total_products", sa.Integer),
    sa.Column("products_completed", sa.Integer, nullable=False, default=0),
    sa.Column("products_failed", sa.Integer, nullable=False, default=0),
    sa.Column("reason", sa.String(64)),
    sa.Column("message", sa.Text),
    sa.Column("retry_of", sa.String(63)),
    sa.Column("started_by", sa.String(16)),
    sa.Column("request_id", sa.String(64)),
    sa.Column("dataset_name", sa.String(63)),
    sa.Column("dataset_version", sa.Integer),
    sa.Column("dataset_sha256", sa.String(64)),
    sa.Column("report", sa.Text),
    sa.Column("forecast_start", sa.String(10)),
    sa.Column("last_batch", sa.Integer, nullable=False, default=0),
    sa.Column("analyst", sa.String(63)),
    sa.Column("analysis_until", Seconds),
    sa.Column("analyses", sa.Integer, nullable=False, default=0),
    sa.Column("deadline_at", Seconds),
    sa.Column("deadline_left_seconds", Seconds),
    sa.Column("created_at", Seconds, nullable=False),
    sa.Column("started_at", Seconds),
    sa.Column("ended_at", Seconds),
    sa.Column("updated_at", Seconds, nullable=False),
    sa.Index(None, "tenant_id", "created_at"),
    sa.Index(None, "state"),
    sa.Index(None, "updated_at"),
)
# What the reconcile asks for every few seconds is empty on a quiet system, however many jobs there were.
for _name, _column, _where in (
    ("ix_jobs_unpublished", jobs.c.updated_at, jobs.c.published_seq < jobs.c.seq),
    ("ix_jobs_deadline_at", jobs.c.deadline_at, jobs.c.deadline_at.is_not(None)),
):
    sa.Index(_name, _column, sqlite_where=_where, postgresql_where=_where)

# Apart from the job's row, which is written with each result: a chain's calendars are megabytes.
calendars = sa.Table(
    "calendars",
    metadata,
    _tenant(),
    _job(),
    sa.Column("shop", sa.Text, primary_key=True),  # empty where the dataset names no shops
    sa.Column("calendar", sa.Text, nullable=False),
)

products = sa.Table(
    "products",
    metadata,
    _tenant(),
    _job(),
    sa.Column("product_id", sa.String(63), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("product", sa.Text, nullable=False),
    sa.Column("shop", sa.Text),
    sa.Column("series", sa.Text),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("batch", sa.Integer),
    # Its batch was dead-lettered: it goes out once more, in a batch of its own.
    sa.Column("alone", sa.Boolean, nullable=False, default=False),
    sa.Column("seq", sa.BigInteger),
    sa.Column("reason", sa.String(64)),
    sa.Column("message", sa.Text),
    sa.Column("forecast", sa.Text),
    sa.Column("scores", sa.Text),
    sa.Column("model", sa.Text),
    # Goes out with the others of its number to a trainer that learns from whole shops; NULL in jobs of before.
    sa.Column("part", sa.Integer),
    sa.Index(None, "tenant_id", "job_id", "status", "position"),
    sa.Index(None, "tenant_id", "job_id", "status", "seq"),
    sa.Index(None, "tenant_id", "job_id", "batch", "status"),
    sa.Index(None, "tenant_id", "job_id", "position"),
    sa.Index(None, "tenant_id", "job_id", "seq"),
    sa.Index(None, "tenant_id", "product_id"),
)

# What waits to go out, in the order in which it goes: a job of 100,000 products asks for the next after each batch.
sa.Index(
    "ix_products_waiting",
    *(products.c[name] for name in ("tenant_id", "job_id", "status", "part", "position")),
    sqlite_where=products.c.batch.is_(None),
    postgresql_where=products.c.batch.is_(None),
)

batches = sa.Table(
    "batches",
    metadata,
    _tenant(),
    _job(),
    sa.Column("batch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("lease_until", Seconds, nullable=False),
    sa.Index(None, "lease_until"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    _tenant(),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body_sha256", sa.String(64), nullable=False),
    sa.Column("job_id", sa.String(63), nullable=False),
    sa.Column("created_at", Seconds, nullable=False),
)
