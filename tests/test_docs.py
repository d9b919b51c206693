"""What is not in the documents does not exist."""

import re
from pathlib import Path

import pytest
from celery import current_app
from config import children
from django.urls import URLPattern, URLResolver, get_resolver

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ALL = "\n".join(doc.read_text() for doc in DOCS)
SOURCES = [*ROOT.glob("site/**/*.py"), *ROOT.glob("tests/**/*.py"), ROOT / ".ci" / "run"]
APPS = ("site/config", "tracking", "reports", "admin_ext")
COMMANDS = sorted(
    path.stem for app in APPS for path in ROOT.glob(f"{app}/management/commands/[a-z]*.py")
)


def variables() -> set[str]:
    code = "\n".join(source.read_text() for source in SOURCES)
    return set(re.findall(r"\b(EYE_[A-Z_]+[A-Z]|DATABASE_URL|CELERY_BROKER_URL|CACHE_URL)\b", code))


def routes() -> set[str]:
    """The canonical spelling of every named route of the API."""
    found: set[str] = set()

    def walk(patterns: list[URLPattern | URLResolver]) -> None:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                if pattern.app_name != "admin":
                    walk(pattern.url_patterns)
            elif str(pattern.pattern).startswith("api/") and pattern.name:
                found.add("/" + re.sub(r"<\w+:id>", "ID", str(pattern.pattern)))

    walk(get_resolver().url_patterns)
    return found


def test_every_setting_is_explained() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    internal = {"EYE_SHARED_CACHE", "EYE_CAPTURE_APPLICATION"}
    missing = {name for name in variables() - internal if f"`{name}`" not in text}
    assert not missing


def test_every_setting_that_is_explained_exists() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    explained = set(re.findall(r"`((?:EYE_|CELERY_|DATABASE_|CACHE_)[A-Z_]+)`", text))
    assert {name.removesuffix("_FILE") for name in explained} <= variables()


def test_every_route_is_explained() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    paths = re.findall(r"/api/[\w/-]+(?:\.\w+)?", text)
    named = {path.replace("RECEIPT", "ID") for path in paths}
    assert routes() <= named


def test_every_command_is_mentioned() -> None:
    assert COMMANDS == [
        "create_key",
        "openapi",
        "prepare",
        "rebuild_reports",
        "seed_demo",
        "sweep",
        "up",
    ]
    assert [name for name in COMMANDS if name not in ALL] == []


def test_every_task_is_mentioned() -> None:
    ours = [name for name in current_app.tasks if not name.startswith("celery.")]
    assert ours
    assert [name for name in ours if f"`{name}`" not in ALL] == []


def test_the_web_server_has_the_same_options_everywhere() -> None:
    command = " ".join(children.web("127.0.0.1", 8000))
    bounds = re.findall(r"--(?:http|backpressure)\S* \d+", command)
    assert len(bounds) == 4
    for place in (ROOT / "Dockerfile", ROOT / "docs" / "production.md"):
        text = re.sub(r'[",\\\s]+', " ", place.read_text())
        assert [bound for bound in bounds if bound not in text] == []


@pytest.mark.parametrize("doc", DOCS, ids=lambda doc: doc.name)
def test_no_link_leads_nowhere(doc: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", doc.read_text())
    assert [link for link in links if not (doc.parent / link).exists()] == []
