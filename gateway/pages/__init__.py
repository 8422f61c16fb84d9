"""The pages a person sees: rendered here, useful before a script runs, and closed to foreign content."""

from gateway.pages.context import ChannelRow, EngineRow, Load, PageContext, RoomPlan
from gateway.pages.routes import page_routes

__all__ = ["ChannelRow", "EngineRow", "Load", "PageContext", "RoomPlan", "page_routes"]
