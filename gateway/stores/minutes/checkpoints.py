"""How far open slices are used: counters that only grow, many in one statement.

Invariant: a counter never goes back, never past what was granted, and never moves once its slice is closed;
so reports may come twice, late, or not at all.
"""

from collections.abc import Sequence

import orjson
from sqlalchemy import Connection, text

from gateway.stores.minutes.operations import Checkpoint

_SQLITE = (
    "UPDATE quota_slices SET cumulative_ms = ?2 "
    "WHERE id = ?1 AND state = 'open' AND cumulative_ms < ?2 AND granted_ms >= ?2"
)
_POSTGRESQL = text(
    "UPDATE quota_slices AS s SET cumulative_ms = CAST(m.used AS bigint) "
    "FROM json_each_text(CAST(:marks AS json)) AS m(id, used) "
    "WHERE s.id = m.id AND s.state = 'open' AND s.cumulative_ms < CAST(m.used AS bigint)"
    " AND s.granted_ms >= CAST(m.used AS bigint)"
)


class Checkpoints:
    """Notes marks; the highest of a slice in one group counts."""

    name = "checkpoint"

    def apply(self, connection: Connection, operations: Sequence[Checkpoint]) -> list[None]:
        """Note each. Written for each database in its own way: at a thousand a second, what goes between the
        statement and the driver costs more than the database does."""
        highest: dict[str, int] = {}
        for operation in operations:
            for slice_id, used_ms in operation.marks:
                highest[slice_id] = max(used_ms, highest.get(slice_id, 0))
        marks = sorted(highest.items())
        if marks and connection.dialect.name == "postgresql":
            connection.execute(_POSTGRESQL, {"marks": orjson.dumps(dict(marks)).decode()})
        elif marks:
            connection.exec_driver_sql(_SQLITE, marks)
        return [None] * len(operations)
