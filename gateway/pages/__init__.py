"""The pages a person sees: rendered here, useful before a script runs, and closed to foreign content."""

from gateway.pages.context import (
    CallRules,
    CannotTell,
    ChannelRow,
    CreatorCard,
    EngineRow,
    Load,
    PageContext,
    RoomPlan,
)
from gateway.pages.routes import page_routes

__all__ = [
    "CallRules",
    "CannotTell",
    "ChannelRow",
    "CreatorCard",
    "EngineRow",
    "Load",
    "PageContext",
    "RoomPlan",
    "page_routes",
]
