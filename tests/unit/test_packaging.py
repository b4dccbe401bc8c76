"""What is packed is what is there; and what the documents and samples name exists."""

import configparser
import re
from pathlib import Path

import pytest

import headless

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "contrib/**/*.md", "jobs/*.md", "tests/**/*.md", "bench/*.md")
    for path in ROOT.glob(pattern)
)
SAMPLES = sorted(path for path in (ROOT / "contrib").rglob("*") if path.is_file())
NAMED = re.compile(
    r"(?<![\w/.~-])((?:headless|jobs|tests|bench|contrib|docs)/[a-z_.][\w@./-]*\w|(?:setup\.cfg|pyproject\.toml|[A-Z]+\.md))"
)


def read_setup() -> configparser.ConfigParser:
    """The project's settings."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return setup


def test_the_packages_are_the_folders_with_code() -> None:
    listed = read_setup()["options"]["packages"].split()
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "headless").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assert sorted(listed) == sorted(found | {"headless.jobs"})
    assert listed == sorted(listed)
    assert all((ROOT / Path(*name.split("."))).joinpath("__init__.py").is_file() for name in found)
    assert not (ROOT / "headless" / "jobs").exists()  # package_dir puts jobs/ there


def test_the_license_the_readme_and_the_version_are_where_the_settings_say() -> None:
    metadata = read_setup()["metadata"]
    assert metadata["version"] == "attr: headless.__version__"
    # setuptools reads a literal without importing anything.
    assert re.search(rf'(?m)^__version__ = "{re.escape(headless.__version__)}"$', Path(headless.__file__).read_text())
    assert (ROOT / metadata["long_description"].removeprefix("file: ")).is_file()
    assert (ROOT / metadata["license_files"]).is_file()
    assert (ROOT / "headless" / "py.typed").is_file()


def test_the_layers_of_the_import_contract_are_the_parts_of_the_package() -> None:
    layers = re.split(r"[\s|]+", read_setup()["importlinter:contract:layers"]["layers"].strip())
    parts = {path.stem for path in (ROOT / "headless").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert sorted(layers) == sorted(parts - {"__init__", "__main__", "__pycache__"})


@pytest.mark.parametrize("document", [*DOCUMENTS, *SAMPLES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_document_or_sample_names_exists(document: Path) -> None:
    text = document.read_bytes().decode("utf-16" if document.suffix == ".xml" else "utf-8")
    for name in NAMED.findall(text):
        assert any((folder / name).exists() for folder in (ROOT, document.parent, ROOT / "headless")), name


def test_there_is_something_to_look_at() -> None:
    assert ROOT / "README.md" in DOCUMENTS
    assert len(SAMPLES) > 5
