"""The steps by which a database got its tables, and the check that it has those of this code.

Invariant: REVISIONS lists every step in order, and a test holds them to `schema.py`.
"""

from typing import Any

from sqlalchemy import Connection, inspect, text

from gateway.stores.faults import CannotOpen

REVISIONS = ("0001", "0002", "0003")
"""Of `versions/`, oldest first. Kept here so that a start without a migration need not load Alembic."""


def revision(connection: Connection) -> str | None:
    """Return the last step that the database has seen, or None if it has no tables of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def check(found: str | None) -> None:
    """Raise CannotOpen, with what to do, if the tables of this revision are older or newer than this code."""
    if found is not None and found not in REVISIONS:
        raise CannotOpen(
            f"The database was made by a newer Stagedoor (its tables are those of {found}, and this one "
            f"knows up to {REVISIONS[-1]}). Install that version, or restore a backup"
        )
    if found != REVISIONS[-1]:
        raise CannotOpen(
            f"The database has the tables of {found or 'no version'}, and this Stagedoor needs those of "
            f"{REVISIONS[-1]}. To bring it up to date, run: stagedoor migrate"
        )


def upgrade(connection: Connection) -> tuple[str, ...]:
    """Take the steps that are missing, within the transaction of `connection`; return their names.

    Raises CannotOpen for a database that a newer Stagedoor made.
    """
    from alembic import command  # noqa: PLC0415 - 150 ms that a start without a migration does not owe
    from alembic.config import Config  # noqa: PLC0415 - as above

    found = revision(connection)
    if found == REVISIONS[-1]:
        return ()
    if found not in (None, *REVISIONS):
        check(found)
    config = Config()
    config.set_main_option("script_location", "gateway.stores:migrations")
    attributes: dict[Any, Any] = config.attributes
    attributes["connection"] = connection
    command.upgrade(config, "head")
    return REVISIONS[REVISIONS.index(found) + 1 if found else 0 :]
