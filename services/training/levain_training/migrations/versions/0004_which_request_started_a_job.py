"""the id of the request that started a job"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'


def upgrade() -> None:
    op.add_column('jobs', sa.Column('request_id', sa.String(length=64), nullable=True))
