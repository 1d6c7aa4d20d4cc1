"""A collection of people who lie close together, written without images."""

import time

import numpy as np

from collections_app.models import Collection, Face, SearchRecord
from collections_app.operations.budget import Match
from collections_app.operations.collections import find
from collections_app.operations.disclosure import disclosure
from collections_app.operations.search import Query, search_by_template
from recognition.index import face_index
from recognition.results import Floats
from tenants.access import Caller
from tests.index.gallery import enrol, unit

CLOSE = 0.3  # the cosine of two of them in the mean: one in seventy pairs reaches the threshold


def close_people(count: int, seed: int = 1) -> Floats:
    """Return a template (count, 128) of each of so many people of one population."""
    random = np.random.default_rng(seed)
    common = unit(np.random.default_rng(0).standard_normal(128))
    return unit(np.sqrt(CLOSE) * common + np.sqrt(1 - CLOSE) * unit(random.standard_normal((count, 128))))


def other_picture(template: Floats, cosine: float = 0.75, seed: int = 2) -> Floats:
    """Return another picture of a person, with about this cosine."""
    random = np.random.default_rng(seed)
    return unit(cosine * template + np.sqrt(1 - cosine**2) * unit(random.standard_normal(template.shape)))


def enrol_people(collection: Collection, templates: Floats) -> list[Face]:
    """Enrol each template as a person."""
    ids = [enrol(face_index(), collection, template[None])[0] for template in templates]
    faces = Face.objects.of(collection.tenant).in_bulk(ids)
    return [faces[pk] for pk in ids]


def look(caller: Caller, template: Floats, limit: int = 5) -> tuple[SearchRecord, tuple[Match, ...]]:
    """Search the collection "people" with a template, as a new request does."""
    collection = find(caller, "people")
    query = Query(collection, disclosure(caller, collection), limit, time.perf_counter())
    return search_by_template(caller, query, template)
