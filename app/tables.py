"""What an installation knows of itself."""

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel


class InstallationRow(SQLModel, table=True):
    """The one row: whether this database is a demo (stamped at seeding, never after), decoy vault, log's origin."""

    __tablename__ = "installation"

    one: int = Field(default=1, primary_key=True)
    demo: bool
    decoy: bytes = Field(sa_type=LargeBinary)
    origin: str
    created_us: int = Field(sa_type=BigInteger)
