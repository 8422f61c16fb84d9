"""What Alembic runs for a migration: it uses the connection, and the transaction, that it is given."""

from alembic import context

from gateway.stores.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite, too, does DDL within a transaction once BEGIN is ours to send.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
