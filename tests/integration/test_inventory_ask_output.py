"""What the commands print of hostile names, to a terminal and into a pipe; and the API's answers by their schemas."""

import csv
import io
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator

import pytest
from openapi_schema_validator import validate

from headless.cli.inventory_rows import print_csv
from headless.inventory.questions import QUESTIONS, Column
from inventory_fleet import AskedCollector, run_asked_collector
from support import HEADLESS, TIME_SCALE

HOSTILE = ("\x1b]0;gone\x07", "\x9b31m", 'a"b', "a,b", "a\nb", "=1+1", "\u202e")
COLUMNS = [Column("name"), Column("many", "texts")]
ROWS = [{"name": text, "many": [text, "x"]} for text in HOSTILE]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """A collector that holds a fleet."""
    with run_asked_collector(tmp_path_factory.mktemp("output")) as collector:
        yield collector


def test_csv_is_true_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(COLUMNS, ROWS, {})
    assert [row["name"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out, newline=""))] == list(HOSTILE)


def test_csv_does_not_steer_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr("sys.stdout", terminal)
        print_csv(COLUMNS, ROWS, {})
        terminal.flush()
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "?]0;gone?" in shown and all(char.isprintable() or char in "\r\n" for char in shown)


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_a_reader_who_has_gone_ends_it_quietly_as_any_filter(collector: AskedCollector, form: list[str]) -> None:
    environment = {
        "HOME": "/", "PATH": "/usr/bin:/bin", "HEADLESS_COLLECTOR": collector.url,
        "HEADLESS_COLLECTOR_TOKEN_FILE": str(collector.tokens["all"]),
    }  # fmt: skip
    words = [HEADLESS, "inventory", "who-has", "*", *form]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(30 * TIME_SCALE) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_every_answer_is_as_its_schema_says(collector: AskedCollector) -> None:
    document = json.loads(collector.get("/api/v1/openapi.json", "")[2])
    needed = {
        "show": "host=wn1", "diff": "a=wn1&b=ALPHA/node1", "history": "host=wn1", "census": "package=openssl",
        "who-has": "requirement=openssl", "drift": "site=BETA", "silent": "since=2100-01-01",
    }  # fmt: skip
    for name, question in QUESTIONS.items():
        body = b'[[rule]]\npackage = "openssl"\nversion = ">= 9"\n' if question.body else None
        answers = document["paths"][f"/api/v1/{name}"]["post" if question.body else "get"]["responses"]
        for query, token in ((needed.get(name, ""), "all"), ("nonsense=1", "all"), ("", ""), ("", "sender")):
            status, headers, answer = collector.get(f"/api/v1/{name}?{query}", token, body=body)
            schema = answers[str(status)]["content"]["application/json"]["schema"]
            validate(json.loads(answer), {"components": document["components"], "allOf": [schema]})
            assert headers["content-type"] == "application/json"
            # This collector has no advisories to go by.
            expected = 400 if query == "nonsense=1" or name == "vulnerable" else 200
            assert status == {"sender": 403, "": 401}.get(token, expected), (name, query)
