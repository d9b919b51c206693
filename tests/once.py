"""What each test client would find out anew, and finds the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from whitenoise.middleware import WhiteNoiseMiddleware


@pytest.fixture(scope="session", autouse=True)
def static_files() -> Iterator[None]:
    """Each test client has a chain of middleware of its own, and thus looks for all static files."""
    look_for: Any = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    def take(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            look_for(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", take)
        yield
