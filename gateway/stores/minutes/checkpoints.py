"""How far open slices are used: counters that only grow, many in one statement.

Invariant: a counter never goes back, never past what was granted, and never moves once its slice is closed;
so reports may come twice, late, or not at all.
"""

from collections.abc import Sequence

import orjson
from sqlalchemy import Connection

from gateway.stores.minutes.operations import Checkpoint
from gateway.stores.prepared import run, run_each

_SQLITE = (
    "UPDATE quota_slices SET cumulative_ms = ?2 "
    "WHERE id = ?1 AND state = 'open' AND cumulative_ms < ?2 AND granted_ms >= ?2"
)
_POSTGRESQL = (
    "UPDATE quota_slices AS s SET cumulative_ms = CAST(m.used AS bigint) "
    "FROM json_each_text(CAST($1 AS json)) AS m(id, used) "
    "WHERE s.id = m.id AND s.state = 'open' AND s.cumulative_ms < CAST(m.used AS bigint)"
    " AND s.granted_ms >= CAST(m.used AS bigint)"
)


class Checkpoints:
    """Notes marks; the highest of a slice in one group counts."""

    name = "checkpoint"

    def apply(self, connection: Connection, operations: Sequence[Checkpoint]) -> list[None]:
        """Note each. Written for each database in its own way: at a thousand a second, what goes between the
        statement and the driver costs more than the database does."""
        # In rising order, so that of a slice that comes twice the highest is what is left.
        highest = dict(sorted(mark for operation in operations for mark in operation.marks))
        if highest and connection.dialect.name == "postgresql":
            run(connection, _POSTGRESQL, (orjson.dumps(highest).decode(),))
        elif highest:
            run_each(connection, _SQLITE, list(highest.items()))
        return [None] * len(operations)
