"""An audit of the books: run by the command, and by a server after it took something over."""

import logging
from typing import Any

from gateway.metrics import AUDIT_FINDINGS
from gateway.stores.auditor import FINDINGS_MAX, Audited, audit_books
from gateway.stores.interface import Database

log = logging.getLogger(__name__)
LOGGED_MAX = 20
_COUNTED = {
    "events": "events", "slices": "slices", "windows": "windows",
    "transactions": "transactions of credits", "calls": "calls",
}  # fmt: skip


async def audit(database: Database) -> Audited:
    """Audit, log what is found and set the gauge; servers go on writing meanwhile. Raises StoreDown."""
    audited = await database.read(audit_books)
    AUDIT_FINDINGS.set(len(audited.findings))
    counted = {name: getattr(audited, name) for name in _COUNTED}
    if not audited.findings:
        log.info("Audit found nothing", extra=counted)
        return audited
    log.error("Audit found what does not add up", extra={**counted, "findings": len(audited.findings)})
    for finding in audited.findings[:LOGGED_MAX]:
        log.error("Audit: %s", finding, extra={"rule": finding.rule})
    return audited


def lines(audited: Audited) -> list[str]:
    """Return what the command prints."""
    looked_at = ", ".join(f"{getattr(audited, name):,} {what}" for name, what in _COUNTED.items())
    if not audited.findings:
        return [f"Nothing to find: {looked_at}."]
    more = "" if audited.complete else f" (and more: the first {FINDINGS_MAX:,} are shown)"
    return [*map(str, audited.findings), f"{len(audited.findings):,} findings{more} in {looked_at}."]


def report(audited: Audited) -> dict[str, Any]:
    """Return what the command prints with `--json`."""
    return {
        **{name: getattr(audited, name) for name in _COUNTED},
        "complete": audited.complete,
        "findings": [
            {"rule": finding.rule, "where": finding.where, "sentence": finding.sentence}
            for finding in audited.findings
        ],
    }
