"""Alembic's entry, for both histories: app.migrate brings the connection, inside its transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], **context.config.attributes["history"].options()
)
context.run_migrations()
