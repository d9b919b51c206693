from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tracking.api.errors import CODES


def error_codes(request: HttpRequest) -> HttpResponse:
    codes = [
        {"code": code, "status": status, "text": text} for code, (status, text) in CODES.items()
    ]
    return render(request, "tracking/error_codes.html", {"codes": codes})
