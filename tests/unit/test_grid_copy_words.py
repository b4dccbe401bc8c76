"""What is typed behind ``cp``: options, places, filters, names."""

import re

import pytest

from headless.grid.copy.access import parse_known, parse_replicas
from headless.grid.copy.errnos import find_errno
from headless.grid.copy.filters import Filters, Found, compile_glob, translate_name
from headless.grid.copy.naming import check_relative, name_below, name_file
from headless.grid.copy.places import parse_place
from headless.grid.copy.remote_sweep import is_temporary, name_temporary
from headless.grid.copy.specs import parse_specs
from headless.grid.copy.words import OPTIONS, USAGE, parse_words
from headless.grid.messages import GridError


def test_all_options_are_read() -> None:
    text = """-f -T 16 -S 2 -chunks 3 -chunksz 65536 -timeout 7 -retry 1 -ratethreshold 9 -noxrdzip -strictspec -a
        -parent 2 -j 5 -l 10 -o 20 -glob *.root -e *.tmp -exclude x -exclude y --report=r --resume s -v src file:/dst"""
    words = parse_words(text.split())
    options, filters = words.options, words.filters
    assert (options.force, options.parallel, options.streams, options.chunks) == (True, 16, 2, 3)
    assert (options.chunk_size, options.timeout_s, options.retries, options.rate_threshold) == (65536, 7, 1, 9)
    assert (options.unzip_here, options.strict_specs, options.recover) == (True, True, True)
    assert (filters.made_by, filters.limit, filters.offset, filters.exclude_text) == ("5", 10, 20, ("x", "y"))
    assert (words.report, words.resume, words.is_verbose, words.parents) == ("r", "s", True, 2)
    assert words.places == ("src", "file:/dst")


def test_every_option_is_in_the_usage() -> None:
    silent = {"-force", "-fastcheck", "-skipmd5", "-cksum"}
    assert {option for option in OPTIONS if not re.search(rf"(?<!\S){option}\b", USAGE)} == silent


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "-nosuch a b", "-T 0 a b", "-T", "-T x a b", "-glob a -name begin_b c d", "-select ( a b",
        "-dst d", "-dst d -input f", "-input f a", "-parent 1 -rmprefix 1 a b", "-tpc a b", "-name what_x a b",
    ],
)  # fmt: skip
def test_words_of_no_use(text: str) -> None:
    with pytest.raises(GridError) as caught:
        parse_words(text.split())
    assert caught.value.exit_code == 22


def test_a_leading_dash_behind_two_dashes_is_a_name() -> None:
    assert parse_words(["--", "-a", "-b"]).places == ("-a", "-b")


@pytest.mark.parametrize(
    ("text", "path", "is_local", "is_folder", "specs"),
    [
        ("a", "/g/w/a", False, False, ""),
        ("alien:/x//y/../z/", "/x/z", False, True, ""),
        ("alien://x", "/x", False, False, ""),
        ("~/a@disk:2,!A::B::C", "/g/u/a", False, False, "disk:2,!A::B::C"),
        ("%ALIEN/a@x", "/g/u/a@x", False, False, ""),
        ("file:a", "/here/a", True, False, ""),
        ("file:///a/./b/", "/a/b", True, True, ""),
        ("file://a", "/a", True, False, ""),
        ("file:.", "/here", True, True, ""),
        ("../../../../etc", "/etc", False, False, ""),
    ],
)
def test_places(text: str, path: str, is_local: bool, is_folder: bool, specs: str) -> None:
    place = parse_place(text, "/g/w/", "/g/u/", "/here")
    assert (place.path, place.is_local, place.is_folder, place.specs) == (path, is_local, is_folder, specs)


@pytest.mark.parametrize("text", ["file:", "alien:", "a\0b"])
def test_places_that_name_nothing(text: str) -> None:
    with pytest.raises(GridError):
        parse_place(text, "/", "/", "/")


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("begin_a_contain_b_ends_c_ext_root", "x/a-b-c.root", "x/a-c-b.root"),
        ("begin_a", "x/abc", "a/bc"),
        ("ext_root", "x/a.root", "x/aroot"),
        ("contain_a.b", "x/a.b", "x/aXb"),
        ("contain_a_contain_b", "x/ba", "x/a"),
    ],
)
def test_names(text: str, yes: str, no: str) -> None:
    assert translate_name(text).search(yes)
    assert not translate_name(text).search(no)


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [("*.root", "a/b.root", "a/b.root/c"), ("a?", "x/ab", "x/a/"), ("[!a]b", "cb", "ab"), ("d/*", "x/d/e", "x/d/e/f"),
     ("a.b", "a.b", "aXb"), ("[", "x/[", "x/a"), ("[^a]", "^", "b")],
)  # fmt: skip
def test_globs(glob: str, yes: str, no: str) -> None:
    assert compile_glob(glob).search(yes)
    assert not compile_glob(glob).search(no)


def test_filters() -> None:
    found = Found("/g/d/a/b.root", "a/b.root", 100, 1000.0, "me", "us", "7")
    for filters in (Filters(), Filters(min_size=100, max_size=100), Filters(max_depth=2, min_depth=2),
                    Filters(user="me", group="us", job_id="7"), Filters(min_time=1000, max_time=1000)):  # fmt: skip
        assert filters.take(found)
    for filters in (Filters(min_size=101), Filters(max_size=99), Filters(max_depth=1), Filters(min_depth=3),
                    Filters(user="you"), Filters(job_id="8"), Filters(min_time=1001), Filters(max_time=999),
                    Filters(exclude_text=("/a/",)), Filters(exclude_glob=(compile_glob("*.root"),))):  # fmt: skip
        assert not filters.take(found)
    hidden = Found("/g/.d/f", ".d/f", 1)
    assert (Filters().take(hidden), Filters(hidden=True).take(hidden)) == (False, True)


@pytest.mark.parametrize(
    ("source", "keeps_name", "parents", "prefix", "below"),
    [
        ("/a/b/c", False, 0, None, ""), ("/a/b/c", True, 0, None, "c"), ("/a/b/c", True, 1, None, "b/c"),
        ("/a/b/c", False, 2, None, "b/c"), ("/a/b/c", True, 99, None, "a/b/c"), ("/a/b/c", True, 0, 1, "b/c"),
        ("/a/b/c", False, 0, 1, "b"), ("/a/b/c", True, 0, 9, ""),
    ],
)  # fmt: skip
def test_names_of_copies(source: str, keeps_name: bool, parents: int, prefix: int | None, below: str) -> None:
    assert name_below(source, keeps_name, parents, prefix) == below


def test_names_of_single_files() -> None:
    assert name_file("/a/b/f", 0, None) == "f"
    assert name_file("/a/b/f", 1, None) == "b/f"
    assert name_file("/a/b/f", 0, 1) == "b/f"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/x", "a//b", "./a", "a/.", "", "a\0b", ".."])
def test_paths_that_lead_out(path: str) -> None:
    with pytest.raises(GridError):
        check_relative(path)


def test_specs_and_what_replaces_failed_replicas() -> None:
    specs = parse_specs("disk:2,A::B::C,!D::E::F")
    assert (specs.wanted, specs.storage_class) == (3, "disk")
    assert specs.replace(1, ["X::Y::Z"], False) == "disk:1,!D::E::F,!X::Y::Z"
    assert parse_specs("A::B::C").replace(1, ["A::B::C"], True) == ""
    assert parse_specs("A::B::C").replace(1, ["A::B::C"], False) == "disk:1,!A::B::C"
    assert parse_specs("tape=1").replace(1, [], True) == "tape:1"
    assert parse_specs("").wanted == 0


def test_replicas() -> None:
    row = {"url": "root://h:1//p#m.root", "envelope": "e", "se": "A::B::C", "size": "5", "md5": "A" * 32}
    [replica] = parse_replicas([row], "/f")
    assert replica.address == "root://h:1//p?xrdcl.unzip=m.root&xrd.wantprot=unix&authz=e"
    assert replica.whole_address == "root://h:1//p?xrd.wantprot=unix&authz=e"
    assert (replica.known.size, replica.known.md5) == (5, "a" * 32)
    for bad in ({}, {"url": "http://h/p"}, {"url": "root://h//p?x=1"}, {"url": "root://h//p#a&b"}):
        with pytest.raises(GridError):
            parse_replicas([bad], "/f")
    with pytest.raises(GridError):
        parse_replicas([], "/f")


@pytest.mark.parametrize("row", [{}, {"size": "-1"}, {"size": "9" * 30}, {"size": "x", "md5": "zz"}])
def test_what_a_row_does_not_say_is_not_known(row: dict[str, str]) -> None:
    assert (parse_known(row).size, parse_known(row).md5) == (-1, "")


def test_names_on_the_way() -> None:
    name = name_temporary("/a/b/file\nname").rpartition("/")[2]
    assert is_temporary(name)
    assert not is_temporary(".file.headless-part")


@pytest.mark.parametrize(
    ("code", "number", "errno"), [(400, 3009, 28), (400, 3011, 61), (402, 28, 28), (206, 0, 110), (108, 0, 121)]
)
def test_errnos(code: int, number: int, errno: int) -> None:
    assert find_errno(code, number) == errno
