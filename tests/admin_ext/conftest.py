from collections.abc import Iterator

import pytest
from django.core.cache import cache


def pytest_configure(config: pytest.Config) -> None:
    # Its imports need Django set up, as tests/conftest.py does first.
    config.pluginmanager.import_plugin("tests.admin_ext.cast")


@pytest.fixture(autouse=True)
def forgotten_figures() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()
