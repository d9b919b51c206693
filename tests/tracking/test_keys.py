import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tracking.keys import NotAnOrigin, authenticate, capture_key, clean_origin, create_key
from tracking.models import ApiKey, Application


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://Shop.Example/", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        (" https://shop.example ", "https://shop.example"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(text: str, origin: str) -> None:
    assert clean_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop.example",
        "https://",
        "ftp://shop.example",
        "https://shop.example/cart",
        "https://shop.example?a=b",
        "https://me:secret@shop.example",
        "https://shop.example:port",
        "https://[half",
        "*",
    ],
)
def test_what_is_no_origin_is_refused_with_advice(text: str) -> None:
    with pytest.raises(NotAnOrigin, match=r"https://shop\.example"):
        clean_origin(text)


@pytest.mark.django_db(transaction=True)
class TestCreateKey:
    def command(self, *arguments: str) -> str:
        output = StringIO()
        call_command("create_key", *arguments, stdout=output)
        return output.getvalue()

    def test_it_makes_the_application_and_prints_a_key_that_works(self) -> None:
        origins = ["--origin", "https://shop.example/", "--origin", "http://localhost:3000"]
        answer = json.loads(self.command("shop", "--kind", "publishable", *origins, "--json"))
        assert (answer["application"], answer["kind"]) == ("shop", "publishable")
        assert answer["key"].startswith("eye_pk_")
        caller = authenticate(answer["key"])
        assert caller is not None
        assert caller.origins == {"https://shop.example", "http://localhost:3000"}

    def test_a_second_key_is_of_the_same_application(self) -> None:
        first = self.command("shop", "--kind", "secret")
        second = self.command("shop", "--kind", "secret")
        assert Application.objects.count() == 1
        assert first != second
        assert "eye_sk_" in first

    def test_a_wrong_origin_makes_nothing(self) -> None:
        with pytest.raises(CommandError, match="is no origin"):
            self.command("shop", "--kind", "publishable", "--origin", "shop.example")
        assert not Application.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_capture_page_has_one_key_for_ever() -> None:
    assert capture_key() == capture_key()
    assert ApiKey.objects.get().kind == "publishable"


@pytest.mark.django_db(transaction=True)
def test_two_keys_are_never_the_same() -> None:
    keys = {create_key("shop", "secret").key for _ in range(20)}
    assert len(keys) == ApiKey.objects.count() == 20
