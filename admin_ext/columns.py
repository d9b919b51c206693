"""Which columns of a list somebody wants to see: its address says so, and the browser remembers."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from admin_ext.display import Column

PARAMETER = "columns"
COOKIE = "eye_columns"
SEPARATOR = "."
REMEMBERED_SECONDS = 365 * 86_400


def chosen(
    request: HttpRequest, columns: Sequence[Column], usual: Sequence[Column]
) -> list[Column]:
    """In the order of `columns`, whose first leads to the record and always stays."""
    asked = request.GET.get(PARAMETER, request.COOKIES.get(COOKIE, ""))
    names = set(asked.split(SEPARATOR))
    found = [column for column in columns if column.__name__ in names]
    if not found:
        found = list(usual)
    return found if columns[0] in found else [columns[0], *found]


def is_choice(request: HttpRequest) -> bool:
    """The form sends each name as a value of its own, after an empty one."""
    return len(request.GET.getlist(PARAMETER)) > 1


def written(columns: Sequence[Column]) -> str:
    """As an address names them."""
    return SEPARATOR.join(column.__name__ for column in columns)


def remember(request: HttpRequest, columns: Sequence[Column]) -> HttpResponse:
    """Leads to the same list with the chosen columns; with the usual ones where none was chosen."""
    query = request.GET.copy()
    asked = query.pop(PARAMETER)
    names = written([column for column in columns if column.__name__ in asked])
    if names:
        query[PARAMETER] = names
    response = HttpResponseRedirect(f"{request.path}?{query.urlencode()}")
    if not names:
        response.delete_cookie(COOKIE, path=request.path)
        return response
    response.set_cookie(
        COOKIE,
        names,
        max_age=REMEMBERED_SECONDS,
        path=request.path,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response
