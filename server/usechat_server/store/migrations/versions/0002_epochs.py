"""64-bit epochs of runs: with Redis they are microseconds since 1970."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _set_type(sa.BigInteger(), existing_type=sa.Integer())


def downgrade() -> None:
    _set_type(sa.Integer(), existing_type=sa.BigInteger())


def _set_type(type_: sa.Integer, *, existing_type: sa.Integer) -> None:
    # SQLite's INTEGER has 64 bits.
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("usechat_turns", "epoch", type_=type_, existing_type=existing_type)
