"""What can be done to credits in the store by itself; holds and settlements belong to calls."""

from dataclasses import dataclass

from gateway.stores.interface import Refusal


@dataclass(frozen=True, slots=True)
class Allocate:
    """Give credits to a user, with a row in the audit log; `id` is the name of the transaction."""

    id: str
    tenant_id: str
    subject: str
    amount_micro: int
    actor: str
    reason: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class Allocated:
    """What the user had available then."""

    transaction_id: str
    available_micro: int


class CreditRefused(Refusal):
    """A rule of credits said no: `error` is its refusal."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
