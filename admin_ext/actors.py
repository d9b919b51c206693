from django.http import HttpRequest

from tracking.api.address import address_of
from tracking.audit import Actor


def actor_of(request: HttpRequest) -> Actor:
    """Who works in the admin, for the audit list."""
    return Actor(request.user.get_username(), user_id=request.user.pk, address=address_of(request))
