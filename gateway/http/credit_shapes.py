"""What users and admins ask about credits, and are told; an amount is a number of credits, to a millionth."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from gateway.http.admin_shapes import Body, Reason, UserName
from gateway.http.shapes import Number
from sessions.credits import BALANCE_MICRO_MAX, MICRO

Amount = Annotated[
    Decimal, Field(gt=0, le=BALANCE_MICRO_MAX // MICRO, max_digits=16, decimal_places=6, allow_inf_nan=False)
]


class Balance(BaseModel):
    """What a user may spend; what is held for a call that goes on is not among it. `monthly_cap` is the most
    that may be spent in a calendar month, null where there is none."""

    balance: Number
    tier: str
    monthly_cap: Number | None


class Allocate(Body):
    """Whom to give credits, how many, and what for; the reason stands in the audit log."""

    user_id: UserName
    amount: Amount
    reason: Reason = ""


class Allocated(BaseModel):
    """What the user may spend now, and the name of the transaction."""

    new_balance: Number
    transaction_id: str
