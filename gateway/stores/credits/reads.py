"""What is asked of credits: each is a function of a connection, for `Database.read`."""

from sqlalchemy import BigInteger, Connection, cast, func, select

from auth.principal import user_uuid
from gateway.stores.credits.schema import user_credits
from gateway.stores.schema import ledger_entries
from sessions.credits import Account, earned_account

_OWN = user_credits.c


def account(connection: Connection, tenant_id: str, subject: str) -> Account:
    """Return what a user has; nothing, for one who was never given any."""
    query = select(_OWN.available_micro, _OWN.held_micro, _OWN.cap_micro, _OWN.month, _OWN.spent_micro).where(
        _OWN.tenant_id == tenant_id, _OWN.user_id == user_uuid(tenant_id, subject)
    )
    row = connection.execute(query).first()
    return Account(tenant_id, subject) if row is None else Account(tenant_id, subject, *row)


def earned_micro(connection: Connection, tenant_id: str, creator: str) -> int:
    """Return what calls have brought a creator."""
    entry = ledger_entries.c
    total = cast(func.coalesce(func.sum(entry.amount_micro), 0), BigInteger)
    query = select(total).where(entry.account == earned_account(tenant_id, creator))
    return int(connection.execute(query).scalar_one())
