"""Calls in SQL: what their rules decide, written whole or not at all, many operations at a time."""
