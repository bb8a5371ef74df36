"""the first schema"""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None


def upgrade() -> None:
    op.create_table('batches',
    sa.Column('tenant_id', sa.String(length=63), nullable=False),
    sa.Column('job_id', sa.String(length=63), nullable=False),
    sa.Column('batch', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('lease_until', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'job_id', 'batch', name=op.f('pk_batches'))
    )
    with op.batch_alter_table('batches', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_batches_lease_until'), ['lease_until'], unique=False)

    op.create_table('blobs',
    sa.Column('tenant_id', sa.String(length=63), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('part', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'sha256', 'part', name=op.f('pk_blobs'))
    )
    op.create_table('datasets',
    sa.Column('tenant_id', sa.String(length=63), nullable=False),
    sa.Column('name', sa.String(length=63), nullable=False),
    sa.Column('version', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'name', 'version', name=op.f('pk_datasets'))
    )
    op.create_table('idempotency_keys',
    sa.Column('tenant_id', sa.String(length=63), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('body_sha256', sa.String(length=64), nullable=False),
    sa.Column('job_id', sa.String(length=63), nullable=False),
    sa.Column('created_at', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'key', name=op.f('pk_idempotency_keys'))
    )
    op.create_table('jobs',
    sa.Column('tenant_id', sa.String(length=63), nullable=False),
    sa.Column('job_id', sa.String(length=63), nullable=False),
    sa.Column('spec', sa.Text(), nullable=True),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('suspended', sa.Boolean(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('published_seq', sa.BigInteger(), nullable=False),
    sa.Column('analysed_seq', sa.BigInteger(), nullable=True),
    sa.Column('total_products', sa.Integer(), nullable=True),
    sa.Column('products_completed', sa.Integer(), nullable=False),
    sa.Column('products_failed', sa.Integer(), nullable=False),
    sa.Column('reason', sa.String(length=64), nullable=True),
    sa.Column('message', sa.Text(), nullable=True),
    sa.Column('retry_of', sa.String(length=63), nullable=True),
    sa.Column('dataset_name', sa.String(length=63), nullable=True),
    sa.Column('dataset_version', sa.Integer(), nullable=True),
    sa.Column('dataset_sha256', sa.String(length=64), nullable=True),
    sa.Column('report', sa.Text(), nullable=True),
    sa.Column('forecast_start', sa.String(length=10), nullable=True),
    sa.Column('last_batch', sa.Integer(), nullable=False),
    sa.Column('analyst', sa.String(length=63), nullable=True),
    sa.Column('analysis_until', sa.Double(), nullable=True),
    sa.Column('analyses', sa.Integer(), nullable=False),
    sa.Column('deadline_at', sa.Double(), nullable=True),
    sa.Column('deadline_left_seconds', sa.Double(), nullable=True),
    sa.Column('created_at', sa.Double(), nullable=False),
    sa.Column('started_at', sa.Double(), nullable=True),
    sa.Column('ended_at', sa.Double(), nullable=True),
    sa.Column('updated_at', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'job_id', name=op.f('pk_jobs'))
    )
    with op.batch_alter_table('jobs', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_jobs_state'), ['state'], unique=False)
        batch_op.create_index(batch_op.f('ix_jobs_tenant_id_created_at'), ['tenant_id', 'created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_jobs_updated_at'), ['updated_at'], unique=False)
    unpublished = sa.text('published_seq < seq')
    op.create_index('ix_jobs_unpublished', 'jobs', ['updated_at'], sqlite_where=unpublished, postgresql_where=unpublished)
    timed = sa.text('deadline_at IS NOT NULL')
    op.create_index('ix_jobs_deadline_at', 'jobs', ['deadline_at'], sqlite_where=timed, postgresql_where=timed)

    op.create_table('calendars',
    sa.Column('tenant_id', sa.String(length=63), nullable=False),
    sa.Column('job_id', sa.String(length=63), nullable=False),
    sa.Column('shop', sa.Text(), nullable=False),
    sa.Column('calendar', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('tenant_id', 'job_id', 'shop', name=op.f('pk_calendars'))
    )
    op.create_table('products',
    sa.Column('tenant_id', sa.String(length=63), nullable=False),
    sa.Column('job_id', sa.String(length=63), nullable=False),
    sa.Column('product_id', sa.String(length=63), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('product', sa.Text(), nullable=False),
    sa.Column('shop', sa.Text(), nullable=True),
    sa.Column('series', sa.Text(), nullable=True),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('batch', sa.Integer(), nullable=True),
    sa.Column('alone', sa.Boolean(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=64), nullable=True),
    sa.Column('message', sa.Text(), nullable=True),
    sa.Column('forecast', sa.Text(), nullable=True),
    sa.Column('scores', sa.Text(), nullable=True),
    sa.Column('model', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'job_id', 'product_id', name=op.f('pk_products'))
    )
    with op.batch_alter_table('products', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_products_tenant_id_job_id_batch_status'), ['tenant_id', 'job_id', 'batch', 'status'], unique=False)
        batch_op.create_index(batch_op.f('ix_products_tenant_id_job_id_position'), ['tenant_id', 'job_id', 'position'], unique=False)
        batch_op.create_index(batch_op.f('ix_products_tenant_id_job_id_status_seq'), ['tenant_id', 'job_id', 'status', 'seq'], unique=False)
        batch_op.create_index(batch_op.f('ix_products_tenant_id_job_id_seq'), ['tenant_id', 'job_id', 'seq'], unique=False)
        batch_op.create_index(batch_op.f('ix_products_tenant_id_job_id_status_position'), ['tenant_id', 'job_id', 'status', 'position'], unique=False)
        batch_op.create_index(batch_op.f('ix_products_tenant_id_product_id'), ['tenant_id', 'product_id'], unique=False)

