"""VEX files: what their statements take away, of which packages, and files that are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from headless.errors import ParameterError
from headless.inventory.advice_files import read_advice
from headless.inventory.advisories import Advisories, Affected, Event
from headless.inventory.package import Package
from headless.inventory.vex import Exceptions
from headless.inventory.vex_files import read_exceptions

DEBIAN = ("debian", "12")
LIBSSL = Package("dpkg", "libssl3", "3.0.13-1~deb12u1", "amd64", "openssl")
RPM = Package("rpm", "openssl-libs", "1:3.0.7-26.el9_4", "x86_64", "openssl")
YAML = Package("python", "ruamel.yaml", "0.18.6")
SOURCE = "pkg:deb/debian/openssl?arch=source"


def say(vulnerability: str, product: str, status: str = "not_affected", **others: Any) -> dict[str, Any]:
    """A statement of OpenVEX."""
    return {"vulnerability": {"name": vulnerability}, "products": [{"@id": product}], "status": status, **others}


def read(folder: Path, *statements: dict[str, Any], **others: Any) -> Exceptions:
    """Read a document of OpenVEX."""
    body = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "statements": statements, **others}
    (folder / "vex.json").write_text(json.dumps(body))
    return read_exceptions([str(folder / "vex.json")])


@pytest.mark.parametrize(
    ("product", "package", "system", "is_meant"),
    [
        (SOURCE, LIBSSL, DEBIAN, True),
        ("pkg:deb/debian/openssl@3.0.13-1~deb12u1?arch=source", LIBSSL, DEBIAN, True),
        ("pkg:deb/debian/openssl@3.0.13-1~deb12u2?arch=source", LIBSSL, DEBIAN, False),
        ("pkg:deb/debian/openssl", LIBSSL, DEBIAN, False),  # the binary package of that name
        ("pkg:deb/debian/libssl3", LIBSSL, DEBIAN, True),
        ("pkg:deb/debian/libssl3?arch=amd64&distro=bookworm", LIBSSL, DEBIAN, True),
        ("pkg:deb/debian/libssl3?distro=debian-12", LIBSSL, DEBIAN, True),
        ("pkg:deb/debian/libssl3?distro=trixie", LIBSSL, DEBIAN, False),
        ("pkg:deb/debian/libssl3?arch=arm64", LIBSSL, DEBIAN, False),
        ("pkg:deb/ubuntu/libssl3", LIBSSL, DEBIAN, False),
        ("pkg:deb/ubuntu/libssl3?distro=jammy", LIBSSL, ("ubuntu", "22.04"), True),
        ("pkg:rpm/redhat/openssl-libs@3.0.7-26.el9_4?epoch=1&arch=x86_64", RPM, ("rhel", "9.4"), True),
        ("pkg:rpm/redhat/openssl-libs@3.0.7-26.el9_4", RPM, ("rhel", "9.4"), False),  # its epoch is 0
        ("pkg:rpm/redhat/openssl-libs?distro=el9", RPM, ("rhel", "9.4"), True),
        ("pkg:rpm/redhat/openssl-libs", RPM, ("almalinux", "9.4"), False),
        ("pkg:pypi/Ruamel_Yaml@0.18.6", YAML, DEBIAN, True),
        ("pkg:pypi/ruamel-yaml@0.18.7", YAML, DEBIAN, False),
    ],
)  # fmt: skip
def test_which_packages_a_product_means(
    tmp_path: Path, product: str, package: Package, system: tuple[str, str], is_meant: bool
) -> None:
    exceptions = read(tmp_path, say("CVE-1", product, justification="component_not_present"))
    reason = exceptions.explain(["cve-1"], package, *system)
    assert reason == ("not_affected, component_not_present" if is_meant else "")


def test_the_last_word_counts_and_doubt_takes_nothing_away(tmp_path: Path) -> None:
    def explain(*statements: dict[str, Any], **others: Any) -> str:
        return read(tmp_path, *statements, **others).explain(["CVE-1"], LIBSSL, *DEBIAN)

    first, later = "2026-01-01T00:00:00.123456789Z", "2026-01-02T00:00:00+01:00"
    for status, is_away in (
        ("not_affected", True),
        ("fixed", True),
        ("affected", False),
        ("under_investigation", False),
    ):
        assert bool(explain(say("CVE-1", SOURCE, status))) is is_away
        assert (
            bool(explain(say("CVE-1", SOURCE, status, timestamp=later), say("CVE-1", SOURCE, timestamp=first)))
            is is_away
        )
        doubt = say("CVE-1", SOURCE, "under_investigation", timestamp=first)
        assert bool(explain(doubt, say("CVE-1", SOURCE, status), timestamp=later)) is is_away
    assert explain(say("CVE-1", SOURCE), say("CVE-1", SOURCE, "affected")) == ""
    assert explain(say("CVE-2", SOURCE)) == ""
    part = {"@id": "pkg:oci/image", "subcomponents": [{"@id": SOURCE}]}
    assert explain(say("CVE-2", SOURCE), {**say("CVE-1", SOURCE), "products": [part]}) == ""


def test_an_advisory_of_several_counts_until_all_are_taken_away(tmp_path: Path) -> None:
    names = ["DSA-1", "CVE-1", "CVE-2"]
    assert read(tmp_path, say("CVE-1", SOURCE)).explain(names, LIBSSL, *DEBIAN) == ""
    both = read(tmp_path, say("CVE-1", SOURCE), say("CVE-2", SOURCE, "fixed"))
    assert both.explain(names, LIBSSL, *DEBIAN) == "CVE-1: not_affected; CVE-2: fixed"
    assert read(tmp_path, say("DSA-1", SOURCE)).explain(names, LIBSSL, *DEBIAN) == "not_affected"
    doubt = read(tmp_path, say("CVE-1", SOURCE), say("CVE-2", SOURCE), say("DSA-1", SOURCE, "affected"))
    assert doubt.explain(names, LIBSSL, *DEBIAN) == ""
    other = read(tmp_path, {**say("GHSA-9", SOURCE), "vulnerability": {"name": "GHSA-9", "aliases": ["CVE-1"]}})
    assert other.explain(["PYSEC-1", "CVE-1"], LIBSSL, *DEBIAN) == "CVE-1: not_affected"


def test_the_first_version_of_openvex(tmp_path: Path) -> None:
    body = {
        "@context": "https://openvex.dev/ns",
        "statements": [
            {
                "vulnerability": "CVE-1",
                "products": [SOURCE],
                "status": "not_affected",
                "impact_statement": "not\nso\x1b",
            }
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(body))
    assert read_exceptions([str(tmp_path)]).explain(["CVE-1"], LIBSSL, *DEBIAN) == "not_affected, not so?"


def build_bom(state: str, ref: str, versions: list[dict[str, str]] | None = None) -> bytes:
    """A document of CycloneDX."""
    affects = {"ref": ref, **({"versions": versions} if versions else {})}
    analysis = {"state": state, "justification": "code_not_present", "detail": "it is not built in"}
    vulnerability = {"id": "CVE-1", "references": [{"id": "GHSA-1"}], "analysis": analysis, "affects": [affects]}
    inner = {"type": "library", "name": "openssl", "bom-ref": "ssl", "purl": SOURCE}
    components = [{"type": "library", "name": "outer", "components": [inner]}]
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "components": components,
        "vulnerabilities": [vulnerability],
    }
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("state", "is_away"),
    [("not_affected", True), ("false_positive", True), ("resolved", True), ("resolved_with_pedigree", True),
     ("in_triage", False), ("exploitable", False)],
)  # fmt: skip
@pytest.mark.parametrize("ref", ["ssl", SOURCE, "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#ssl"])
def test_cyclonedx(tmp_path: Path, state: str, is_away: bool, ref: str) -> None:
    (tmp_path / "a.json").write_bytes(build_bom(state, ref))
    exceptions = read_exceptions([str(tmp_path / "a.json")])
    expected = f"{state}, code_not_present, it is not built in" if is_away else ""
    for name in ("CVE-1", "GHSA-1"):
        assert exceptions.explain([name], LIBSSL, *DEBIAN) == expected


def test_cyclonedx_of_some_versions(tmp_path: Path) -> None:
    for versions, is_away in (
        ([{"version": LIBSSL.version, "status": "unaffected"}], True),
        ([{"version": LIBSSL.version, "status": "affected"}, {"version": "1", "status": "unaffected"}], False),
        ([{"version": LIBSSL.version}, {"version": "1", "status": "unaffected"}], False),
        ([{"range": "vers:deb/<9", "status": "unaffected"}, {"version": "1", "status": "unaffected"}], False),
    ):
        (tmp_path / "a.json").write_bytes(build_bom("not_affected", "ssl", versions))
        exceptions = read_exceptions([str(tmp_path / "a.json")])
        assert bool(exceptions.explain(["CVE-1"], LIBSSL, *DEBIAN)) is is_away


def test_what_is_found_tells_its_exception(tmp_path: Path) -> None:
    advisories = Advisories()
    advisories.add("Debian:12", "openssl", Affected("CVE-1", ranges=((Event("introduced", "0"),),)))
    assert [found.exception for found in advisories.find(*DEBIAN, [LIBSSL])] == [""]
    advisories.exceptions = read(tmp_path, say("CVE-1", SOURCE))
    assert [(found.id, found.exception) for found in advisories.find(*DEBIAN, [LIBSSL])] == [("CVE-1", "not_affected")]


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"[]", "neither OpenVEX nor CycloneDX"),
        (b'{"bomFormat": "CycloneDX"}', "no statement about a package"),
        (b'{"bomFormat": "CycloneDX", "vulnerabilities": [7]}', "'vulnerabilities' is no list of objects"),
        (b'{"bomFormat": "CycloneDX", "vulnerabilities": [{"id": "C", "analysis": {"state": []}}]}', "is no state of"),
        (build_bom("not_affected", "elsewhere"), "no statement about a package"),
        (build_bom("unsure", "ssl"), "'unsure' is no state of CycloneDX"),
        (b'{"@context": "https://openvex.dev/ns/v0.2.0", "statements": 7}', "'statements' is no list"),
        (json.dumps({"@context": "https://openvex.dev/ns", "statements": [say("C", SOURCE, "well")]}).encode(),
         "'well' is no status of OpenVEX"),
        (json.dumps({"@context": "https://openvex.dev/ns", "statements": [{**say("C", SOURCE), "vulnerability": 7}]})
         .encode(), "names no vulnerability"),
        (json.dumps({"@context": "https://openvex.dev/ns", "statements": [{**say("C", SOURCE), "products": 7}]})
         .encode(), "'products' is not what"),
        (json.dumps({"@context": "https://openvex.dev/ns", "statements": [say("C", "https://example.org/x")]})
         .encode(), "by its package URL"),
    ],
)  # fmt: skip
def test_what_is_none_is_said_in_a_line(tmp_path: Path, data: bytes, part: str) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(data)
    with pytest.raises(ParameterError) as caught:
        read_exceptions([str(path)])
    assert part in str(caught.value) and str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_vex_needs_advisories() -> None:
    assert read_advice([], []) is None
    with pytest.raises(ParameterError, match="give --advisories too"):
        read_advice([], ["x"])
