"""The description of one HTTP route, as the interface's documents are made from it."""

from dataclasses import dataclass, field

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: `answers` maps a status to a model or a media type; `authenticated` wants a token."""

    method: str
    path: str
    summary: str
    answers: dict[int, type[BaseModel] | str]
    authenticated: bool = False
    body: type[BaseModel] | None = None
    body_optional: bool = False
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    errors: tuple[int, ...] = ()

    @property
    def path_parameters(self) -> list[str]:
        """Names in braces in the path."""
        return [part.partition("}")[0].partition(":")[0] for part in self.path.split("{")[1:]]
