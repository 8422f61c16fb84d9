"""What holds for every test: the long forms of fault tests run only when somebody asks for them with -m."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("markexpr"):
        return
    long_forms = [item for item in items if item.get_closest_marker("chaos")]
    if long_forms:
        config.hook.pytest_deselected(items=long_forms)
        items[:] = [item for item in items if not item.get_closest_marker("chaos")]
