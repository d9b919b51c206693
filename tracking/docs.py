from tracking.api.errors import CODES
from tracking.pages import Page


class ErrorCodes(Page):
    template_name = "tracking/error_codes.html"
    extra_context = {
        "codes": [
            {"code": code, "status": status, "text": text} for code, (status, text) in CODES.items()
        ]
    }
