"""Which categories and names of events a report counts, as an index finds them."""

from django.db.models import BooleanField, Func, JSONField, Q, TextField, Value
from django.db.models.fields.json import DataContains


class Categories(Func):
    """Of `by_name`: the categories, as a list."""

    template = "jsonb_path_query_array(%(expressions)s, '$.keyvalue().key')"
    output_field = JSONField()


class Names(Func):
    """Of `by_name`: the names, whatever their category."""

    template = "jsonb_path_query_array(%(expressions)s, '$.*.keyvalue().key')"
    output_field = JSONField()


def has_category(by_name: str, category: str) -> Q:
    return Q(DataContains(Categories(by_name), [category]))


def has_name(by_name: str, name: str) -> Q:
    return Q(DataContains(Names(by_name), [name]))


def has_kind(by_name: str, category: str, name: str) -> Q:
    """No index has both: to be asked of what has the category and the name."""
    of_category = Func(by_name, _text(category), function="jsonb_extract_path")
    is_there = Func(of_category, _text(name), function="jsonb_exists", output_field=BooleanField())
    return Q(is_there)


def _text(value: str) -> Value:
    return Value(value, output_field=TextField())
