from config.embedded import ROOT


def test_site_is_no_package() -> None:
    """It would hide Python's own module of that name."""
    assert not (ROOT / "site" / "__init__.py").exists()
