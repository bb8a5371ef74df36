"""which products of a shop go out together"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    op.add_column('products', sa.Column('part', sa.Integer(), nullable=True))
    waiting = sa.text('batch IS NULL')
    columns = ['tenant_id', 'job_id', 'status', 'part', 'position']
    op.create_index('ix_products_waiting', 'products', columns, sqlite_where=waiting, postgresql_where=waiting)
