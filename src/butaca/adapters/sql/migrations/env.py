"""Run the migrations on the connection passed by `schema.migrate`."""

from alembic import context

from butaca.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
