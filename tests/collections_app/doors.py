"""A door: three enrolled people, and keys that search for them with templates."""

import time

import numpy as np

from collections_app.models import Face, NearMatch
from collections_app.operations.budget import Match, hidden_faces
from collections_app.operations.disclosure import disclosure
from collections_app.operations.search import Query, search_by_template
from recognition.similarity import Threshold
from tenants.access import Caller
from tenants.models import AuditEntry
from tests.attack.attackers import SCALE
from tests.attack.templates import unit
from tests.attack.test_template_recovery import Enrolled
from tests.conftest import Customer

STRANGER, OWNER = float(SCALE.cosine(86.5)), float(SCALE.cosine(98.5))


class Door:
    """Three enrolled people whose faces have nothing in common, and keys that search."""

    def __init__(self, customer: Customer) -> None:
        """Enrol them."""
        self.world = Enrolled(customer, 3)
        self.first, self.second, self.third = sorted(self.world.faces, key=lambda face: face.number)
        self.rng = np.random.default_rng(5)

    def probe(self, *nearness: tuple[Face, float]) -> np.ndarray:
        """Return a new template with these cosines to enrolled faces."""
        owners = np.array([self.world.owners[face.uuid] for face, _ in nearness], dtype=np.float64)
        wanted = np.array([cosine for _, cosine in nearness]) + self.rng.uniform(0, 0.003, len(nearness))
        inside = np.linalg.lstsq(owners, wanted, rcond=None)[0]
        drawn = np.array(self.rng.standard_normal(owners.shape[1]))
        aside = unit(drawn - np.linalg.pinv(owners) @ (owners @ drawn))
        return np.asarray(inside + np.sqrt(1 - inside @ inside) * aside, dtype=np.float32)

    def search(self, caller: Caller, probe: np.ndarray, score: float | None = None, limit: int = 10) -> list[Match]:
        """Search with a template as the operation does."""
        hidden = hidden_faces(caller)
        terms = disclosure(caller, self.world.collection, None if score is None else Threshold(score))
        query = Query(self.world.collection, terms, limit, time.perf_counter(), hidden=hidden)
        return list(search_by_template(caller, query, probe)[1])

    def disclosed(self, caller: Caller, *nearness: tuple[Face, float]) -> list[tuple[str, float]]:
        """Search with a new template that is so near to faces; return the faces and scores that are told."""
        return [(match.face.uuid, match.score) for match in self.search(caller, self.probe(*nearness))]


def alerts(customer: Customer) -> list[dict[str, object]]:
    entries = AuditEntry.objects.of(customer.tenant).filter(action="alert.face_probed").order_by("number")
    return [entry.facts | {"by": entry.actor_name} for entry in entries]


def enrol_near(door: Door, count: int) -> list[Face]:
    """Enrol pictures that were made to reach the first face, as whoever may enrol can."""
    return door.world.enrol(np.array([door.probe((door.first, STRANGER)) for _ in range(count)]))


def spent_on(face: Face) -> int:
    return sum(NearMatch.unscoped.filter(face=face).values_list("cost", flat=True))
