"""Alembic runs this: the connection is the caller's (`store.engine.migrate`)."""

from alembic import context

from levain_training.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
