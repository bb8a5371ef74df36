"""What a migration may do: version N's code runs on N+1's schema, so it may only add what N's statements need not know."""

from typing import Any

import sqlalchemy as sa

Schema = dict[str, dict[str, dict[str, Any]]]  # table -> column -> its type and constraints, "" for those of the whole table


def schema(connection: sa.Connection) -> Schema:
    inspector = sa.inspect(connection)
    return {table: _table(inspector, table) for table in inspector.get_table_names() if table != "alembic_version"}


def _table(inspector: sa.Inspector, table: str) -> dict[str, dict[str, Any]]:
    columns = {
        c["name"]: {"type": str(c["type"]), "nullable": c["nullable"], "filled": c["nullable"] or c["default"] is not None}
        for c in inspector.get_columns(table)
    }
    rules = {
        "primary key": inspector.get_pk_constraint(table)["constrained_columns"],
        "unique": sorted(str(i["column_names"]) for i in inspector.get_indexes(table) if i["unique"])
        + sorted(str(u["column_names"]) for u in inspector.get_unique_constraints(table)),
        "foreign keys": sorted(str(k["constrained_columns"]) for k in inspector.get_foreign_keys(table)),
        "checks": sorted(str(c["sqltext"]) for c in inspector.get_check_constraints(table)),
    }
    return columns | {"": rules}


def breaks(before: Schema, after: Schema) -> list[str]:
    """What version N's code would trip over, none where the migration only expands."""
    found = []
    for table, columns in before.items():
        if table not in after:
            found.append(f"{table} is gone")
            continue
        for name, column in columns.items():
            if after[table].get(name) != column:
                found.append(f"{table}.{name} was {column} and is {after[table].get(name)}")
        added = set(after[table]) - set(columns)
        found += [f"{table}.{name} must be filled in" for name in sorted(added) if not after[table][name]["filled"]]
    return found
