"""Which categories and names of events a report counts, as an index finds them."""

from django.db.models import Func, JSONField, Q
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
