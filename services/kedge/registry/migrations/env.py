"""What Alembic runs: the steps, on the connection and in the transaction of the caller."""

from alembic import context

from kedge.registry.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a column by copying the table.
    render_as_batch=True,
)
context.run_migrations()
