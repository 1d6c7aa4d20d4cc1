"""Model packs: which models make an embedding, and what its cosines mean.

Owns the manifest, packs.toml. Vectors of different packs belong to different spaces and are never compared; a
collection that changes its pack has a gallery of each meanwhile.
"""

import base64
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from recognition.calibration.calibrated import PackNormal
from recognition.calibration.cohorts import PublishedCohort
from recognition.calibration.fusion import Fusion
from recognition.errors import UnknownPack
from recognition.similarity import SimilarityScale, Threshold

DEFAULT = "light"
MANIFEST = Path(__file__).with_name("packs.toml")


@dataclass(frozen=True, slots=True)
class Model:
    """One model file: its role, its sources, how it is rewritten at install, and its adapter.

    `adapter` names a module of recognition.pipeline.adapters; `input` holds the parameters of that adapter. A
    model that no picture goes through has none.
    """

    name: str
    role: str
    file: str
    licence: str
    sha256: str
    prepare: tuple[str, ...]
    prepared_sha256: str
    adapter: str = ""
    sources: tuple[str, ...] = ()
    optional: bool = False
    input: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class ExpectedMiss:
    """How likely a good photograph of the same person fails to match a face: a logistic regression on its measures.

    `embedded` and `seen` are intercepts and weights, in the order of recognition.pipeline.quality.Measures: for a face
    whose vector is known, of `length` typically, and for one that was only looked at. The gates `standard` and
    `strict` refuse a face whose expected miss is higher. A vector shorter than `floor` cannot be told from others.
    """

    floor: float
    length: float
    embedded: tuple[float, ...]
    seen: tuple[float, ...]
    standard: float
    strict: float


@dataclass(frozen=True, slots=True)
class Earlier:
    """A wider form of a pack's vectors: of its numbers the first `kept` stand, and the model projects the others."""

    dimension: int
    kept: int
    projection: Model


@dataclass(frozen=True, slots=True)
class Pack:
    """A detector, landmarks, embedders with their weights in the cosine, liveness experts, and the similarity scale.

    `cohorts` are the populations whose false match rates were measured; the scale is anchored on the first of them, and
    `normal` is measured on it too: what a collection's normalised scores need of the pack (None: they are never made).
    Without `quality` no face is refused for its expected miss or its vector's length. `earlier`: its vectors were wider
    once (recognition.packs.earlier).
    """

    name: str
    version: int
    dimension: int
    detector: Model
    landmarks: Model
    liveness: tuple[tuple[Model, ...], ...]
    liveness_threshold: float
    fusion: Fusion
    embedders: tuple[tuple[Model, float], ...]
    similarity: SimilarityScale
    quality: ExpectedMiss | None
    cohorts: tuple[PublishedCohort, ...]
    normal: PackNormal | None
    second_opinion: Model | None = None
    earlier: Earlier | None = None

    def worst_cohort(self, threshold: Threshold) -> PublishedCohort:
        """Return the cohort whose strangers reach a threshold most often."""
        return _worst(self.cohorts, threshold)

    @property
    def roles(self) -> Mapping[str, tuple[Model, ...]]:
        """The models by role."""
        return {
            "detector": (self.detector,),
            "second opinion": (self.second_opinion,) if self.second_opinion else (),
            "landmarks": (self.landmarks,),
            "embedder": tuple(model for model, _ in self.embedders),
            "liveness": tuple(chain.from_iterable(self.liveness)),
        }


def get(name: str) -> Pack:
    """Return a pack.

    Raises:
        UnknownPack: no pack has this name.
    """
    try:
        return _packs()[name]
    except KeyError:
        raise UnknownPack(name) from None


def names() -> tuple[str, ...]:
    """Return the packs' names, in the manifest's order."""
    return tuple(_packs())


@cache
def models() -> Mapping[str, Model]:
    """Return every model of the manifest by name."""
    return MappingProxyType({name: _model(name, **entry) for name, entry in _manifest()["models"].items()})


def read_again() -> None:
    """Drop what was cached of the manifest after it changed."""
    for cached in (_manifest, _packs, models):
        cached.cache_clear()


@lru_cache(maxsize=1024)
def _worst(cohorts: tuple[PublishedCohort, ...], threshold: Threshold) -> PublishedCohort:
    return max(cohorts, key=lambda cohort: cohort.rate(threshold))


@cache
def _packs() -> Mapping[str, Pack]:
    return MappingProxyType({name: _pack(name, **entry) for name, entry in _manifest()["packs"].items()})


@cache
def _manifest() -> Mapping[str, Any]:
    return MappingProxyType(tomllib.loads(MANIFEST.read_text(encoding="utf-8")))


def _model(name: str, **entry: Any) -> Model:  # noqa: ANN401 -- TOML
    return Model(name=name, **_frozen(entry))


def _frozen(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table of the manifest with its lists as tuples."""
    return {
        key: tuple(value) if isinstance(value, list) else _frozen(value) if isinstance(value, dict) else value
        for key, value in entry.items()
    }


def _pack(
    name: str,
    *,
    liveness: list[list[str]],
    fusion: dict[str, Any],
    embedders: dict[str, float],
    cosines: list[float],
    cohorts: list[dict[str, Any]],
    quality: dict[str, Any] | None = None,
    normalised: list[float] | None = None,
    mean: str = "",
    earlier: dict[str, Any] | None = None,
    **rest: Any,  # noqa: ANN401
) -> Pack:
    known = models()
    rest |= {role: known[rest[role]] for role in ("detector", "landmarks", "second_opinion") if role in rest}
    vector = np.frombuffer(base64.b64decode(mean), dtype="<f2").astype(np.float32)
    return Pack(
        name=name,
        liveness=tuple(tuple(known[model] for model in expert) for expert in liveness),
        fusion=Fusion(**_frozen(fusion)),
        embedders=tuple((known[model], weight) for model, weight in embedders.items()),
        similarity=SimilarityScale(tuple(cosines)),
        quality=ExpectedMiss(**_frozen(quality)) if quality else None,
        cohorts=tuple(PublishedCohort.of(**entry) for entry in cohorts),
        earlier=Earlier(**earlier | {"projection": known[earlier["projection"]]}) if earlier else None,
        normal=PackNormal(vector, tuple(cosines), tuple(normalised)) if normalised else None,
        **rest,
    )
