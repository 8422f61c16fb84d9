"""Tests of gateway.rooms."""
