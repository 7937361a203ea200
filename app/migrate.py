"""Brings a database to the newest revision (app/migrations)."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def upgrade(database: Path, revision: str = "head") -> None:
    """Run every migration that the database lacks."""
    command.upgrade(configuration(database), revision)


def configuration(database: Path) -> Config:
    """Return alembic's configuration for one SQLite file."""
    config = Config()
    config.set_main_option("script_location", "app:migrations")
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", f"sqlite:///{database}".replace("%", "%%"))
    return config
