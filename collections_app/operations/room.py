"""How many more faces a collection and its tenant have room for."""

from django.db.models import Sum

from collections_app.errors import CollectionFull
from collections_app.models import Collection
from recognition.models import Gallery
from tenants.errors import QuotaExceeded


def room_for(collection: Collection, gallery: Gallery, least: int) -> int:
    """Return how many faces there is room for, at least `least`, under the gallery's lock. Not an operation.

    Raises:
        CollectionFull: the collection's face limit leaves less.
        QuotaExceeded: the tenant's quota leaves less.
    """
    room = collection.face_limit - gallery.size
    if room < least:
        raise CollectionFull(collection.face_limit)
    quota = collection.tenant.face_quota
    if quota is not None:
        collection.tenant.lock()
        total = (
            Gallery.objects.of(collection.tenant).filter(serves__isnull=False).aggregate(total=Sum("size"))["total"]
            or 0
        )
        if quota - total < least:
            raise QuotaExceeded("faces", quota)
        room = min(room, quota - total)
    return room
