"""The pages a person sees: rendered here, useful before a script runs, and closed to foreign content."""

from gateway.pages.context import ChannelRow, EngineRow, Load, PageContext
from gateway.pages.routes import page_routes

__all__ = ["ChannelRow", "EngineRow", "Load", "PageContext", "page_routes"]
