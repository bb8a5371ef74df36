"""the role of the token that started a job"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'


def upgrade() -> None:
    op.add_column('jobs', sa.Column('started_by', sa.String(length=16), nullable=True))
