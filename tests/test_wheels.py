"""Every Python and every processor that we name gets each dependency as a wheel: nothing is compiled at setup."""

import re
from collections.abc import Iterator

import pytest
from django.conf import settings
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename

PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
GLIBC = 28  # of Debian 10, RHEL 8 and later
PLATFORMS = {"linux x86_64": "x86_64", "linux aarch64": "aarch64", "macos arm64": "arm64"}


def _tags(python: tuple[int, int], platform: str) -> set[Tag]:
    system, machine = platform.split()
    if system == "macos":
        platforms = list(mac_platforms((14, 0), machine))
    else:
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(5, GLIBC + 1)]
        platforms += [f"manylinux{old}_{machine}" for old in ("1", "2010", "2014")]
    return {*cpython_tags(python, platforms=platforms), *compatible_tags(python, platforms=platforms)}


def _locked(python: tuple[int, int], platform: str) -> Iterator[tuple[str, str]]:
    """Yield the name and version of each pinned package that is installed there."""
    system, machine = platform.split()
    version = ".".join(map(str, python))
    there = {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "sys_platform": {"linux": "linux", "macos": "darwin"}[system],
        "platform_system": {"linux": "Linux", "macos": "Darwin"}[system],
        "platform_machine": machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    text = (settings.BASE_DIR / "requirements.txt").read_text()
    for line in re.findall(r"^(\S+==.*?)\s*\\$", text, re.MULTILINE):
        requirement = Requirement(line)
        marker: Marker | None = requirement.marker
        if marker is None or marker.evaluate(there):
            (pinned,) = requirement.specifier
            yield canonicalize_name(requirement.name), pinned.version


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS, ids=lambda python: ".".join(map(str, python)))
def test_every_dependency_has_a_wheel(python: tuple[int, int], platform: str) -> None:
    wheels: dict[tuple[str, str], set[Tag]] = {}
    for line in (settings.BASE_DIR / "requirements-wheels.txt").read_text().split():
        name, version, _, tags = parse_wheel_filename(line)
        wheels.setdefault((name, str(version)), set()).update(tags)
    fitting = _tags(python, platform)
    locked = set(_locked(python, platform))
    assert len(locked) > 50
    assert sorted(pair for pair in locked if not fitting & wheels.get(pair, set())) == []
