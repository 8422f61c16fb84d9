"""An audit of the books: run by the command, and by a server after it took something over."""

import logging
from typing import Any

from gateway.metrics import AUDIT_FINDINGS
from gateway.stores.auditor import FINDINGS_MAX, Audited, audit_books
from gateway.stores.interface import Database

log = logging.getLogger(__name__)
LOGGED_MAX = 20


async def audit(database: Database) -> Audited:
    """Audit, log what is found and set the gauge; servers go on writing meanwhile. Raises StoreDown."""
    audited = await database.read(audit_books)
    AUDIT_FINDINGS.set(len(audited.findings))
    counted = {"events": audited.events, "slices": audited.slices, "windows": audited.windows}
    if not audited.findings:
        log.info("Audit found nothing", extra=counted)
        return audited
    log.error("Audit found what does not add up", extra={**counted, "findings": len(audited.findings)})
    for finding in audited.findings[:LOGGED_MAX]:
        log.error("Audit: %s", finding, extra={"rule": finding.rule})
    return audited


def lines(audited: Audited) -> list[str]:
    """Return what the command prints."""
    looked_at = f"{audited.events:,} events, {audited.slices:,} slices, {audited.windows:,} windows"
    if not audited.findings:
        return [f"Nothing to find: {looked_at}."]
    more = "" if audited.complete else f" (and more: the first {FINDINGS_MAX:,} are shown)"
    return [*map(str, audited.findings), f"{len(audited.findings):,} findings{more} in {looked_at}."]


def report(audited: Audited) -> dict[str, Any]:
    """Return what the command prints with `--json`."""
    return {
        "events": audited.events,
        "slices": audited.slices,
        "windows": audited.windows,
        "complete": audited.complete,
        "findings": [
            {"rule": finding.rule, "where": finding.where, "sentence": finding.sentence}
            for finding in audited.findings
        ],
    }
