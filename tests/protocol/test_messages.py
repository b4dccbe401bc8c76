"""The parameters of each method: what is taken, what is refused, and in which words."""

from typing import Any

import pytest

from fuzzing import read_vectors
from headless.errors import ProtocolError
from headless.protocol.messages import (
    JobCheck,
    JobList,
    JobPrune,
    JobRerun,
    JobStart,
    JobUpload,
    JobWatch,
    LoginNamed,
    LoginSalt,
    Nothing,
    Parameters,
    parse_parameters,
)

JOB = "01HZXW5V6Q8M2T4R9K7B3N1C0D"
START = {"job_id": JOB, "kind": "code", "name": "code"}
MOST = (1 << 53) - 1


@pytest.mark.parametrize(
    ("method", "values", "expected"),
    [
        ("server.status", {}, Nothing()),
        ("login.salt", {"user": "batch@CORP.example"}, LoginSalt("batch@CORP.example")),
        ("login.salt", {"user": ""}, LoginSalt("")),
        ("login.osuser", {}, LoginNamed("")),
        ("login.x509", {"user": "_a.b+c-d"}, LoginNamed("_a.b+c-d")),
        ("job.check", {"kind": "module", "module": "nightly-report"}, JobCheck("module", "nightly-report")),
        ("job.check", {"kind": "script"}, JobCheck("script", "")),
        ("job.upload", {"job_id": JOB, "offset": MOST, "data": ""}, JobUpload(JOB, MOST, "")),
        ("job.start", START, JobStart(JOB, "code", "code")),
        (
            "job.start",
            {**START, "module": "m", "source": "eA==", "arguments": ["", "-x", "a\nb", "ü"], "stdin": True},
            JobStart(JOB, "code", "code", "m", "eA==", ("", "-x", "a\nb", "ü"), True),
        ),
        ("job.start", {**START, "arguments": ["x"] * 1000}, JobStart(JOB, "code", "code", arguments=("x",) * 1000)),
        ("job.start", {**START, "name": "n" * 128}, JobStart(JOB, "code", "n" * 128)),
        ("job.start", {**START, "name": ""}, JobStart(JOB, "code", "")),
        (
            "job.start",
            {**START, "overlap": "skip", "grace": 5},
            JobStart(JOB, "code", "code", overlap="skip", grace=5.0),
        ),
        ("job.start", {**START, "wait_for": 0.5, "grace": -1}, JobStart(JOB, "code", "code", wait_for=0.5)),
        ("job.watch", {"job_id": JOB}, JobWatch(JOB)),
        ("job.watch", {"job_id": JOB, "stdout": -1, "progress": True}, JobWatch(JOB, progress=True)),
        ("job.watch", {"job_id": JOB, "stderr": 7}, JobWatch(JOB, stderr=7)),
        ("job.list", {}, JobList()),
        ("job.list", {"state": "live", "since": 60, "before": JOB}, JobList(state="live", since=60.0, before=JOB)),
        ("job.rerun", {"job_id": JOB, "new_id": JOB}, JobRerun(JOB, JOB)),
        ("job.prune", {"older": 0}, JobPrune(0.0)),
    ],
)
def test_good_parameters_become_a_value(method: str, values: dict[str, Any], expected: Parameters) -> None:
    assert parse_parameters(method, values) == expected


@pytest.mark.parametrize(
    ("method", "values", "message"),
    [
        ("server.status", {"verbose": True}, "unknown parameter 'verbose'"),
        ("job.start", {**START, "priority": 1}, "unknown parameter 'priority'"),
        ("job.start", {**START, "x\n" * 99: 1}, "unknown parameter 'x\\nx\\n"),
        ("job.start", {}, "'job_id' is missing"),
        ("job.start", {"job_id": JOB, "kind": "code"}, "'name' is missing"),
        ("login.salt", {}, "'user' is missing"),
        ("login.salt", {"user": None}, "'user' is of a wrong type"),
        ("login.salt", {"user": "-batch"}, "'user' is malformed"),
        ("login.salt", {"user": "a b"}, "'user' is malformed"),
        ("login.salt", {"user": "batch\n"}, "'user' is malformed"),
        ("login.salt", {"user": "ü"}, "'user' is malformed"),
        ("login.salt", {"user": "u" * 65}, "'user' is malformed"),
        ("job.check", {"kind": "shell"}, "'kind' is malformed"),
        ("job.check", {"kind": "module", "module": "../x"}, "'module' is malformed"),
        ("job.check", {"kind": "module", "module": ".x"}, "'module' is malformed"),
        ("job.start", {**START, "job_id": JOB.lower()}, "'job_id' is malformed"),
        ("job.start", {**START, "job_id": JOB[1:]}, "'job_id' is malformed"),
        ("job.start", {**START, "job_id": "I" * 26}, "'job_id' is malformed"),
        ("job.start", {**START, "name": "n" * 129}, "'name' is malformed"),
        ("job.start", {**START, "name": "a/b"}, "'name' is malformed"),
        ("job.start", {**START, "stdin": 1}, "'stdin' is of a wrong type"),
        ("job.start", {**START, "source": ["eA=="]}, "'source' is of a wrong type"),
        ("job.start", {**START, "arguments": "x"}, "arguments are texts without NUL"),
        ("job.start", {**START, "arguments": {"0": "x"}}, "arguments are texts without NUL"),
        ("job.start", {**START, "arguments": ["a", 1]}, "arguments are texts without NUL"),
        ("job.start", {**START, "arguments": ["a\0b"]}, "arguments are texts without NUL"),
        ("job.start", {**START, "arguments": ["x"] * 1001}, "more than 1000 arguments"),
        ("job.upload", {"job_id": JOB, "offset": -1, "data": ""}, "'offset' is out of range"),
        ("job.upload", {"job_id": JOB, "offset": 1 << 53, "data": ""}, "'offset' is out of range"),
        ("job.upload", {"job_id": JOB, "offset": True, "data": ""}, "'offset' is of a wrong type"),
        ("job.upload", {"job_id": JOB, "offset": 0.0, "data": ""}, "'offset' is of a wrong type"),
        ("job.watch", {"job_id": JOB, "stdout": -2}, "'stdout' is out of range"),
        ("job.watch", {"job_id": JOB, "stdout": "0"}, "'stdout' is of a wrong type"),
        ("job.watch", {"job_id": JOB, "progress": None}, "'progress' is of a wrong type"),
        ("job.start", {**START, "overlap": "never"}, "'overlap' is malformed"),
        ("job.start", {**START, "grace": -2}, "'grace' is out of range"),
        ("job.start", {**START, "grace": -0.5}, "'grace' is out of range"),
        ("job.start", {**START, "grace": 1e11}, "'grace' is out of range"),
        ("job.start", {**START, "grace": 10**400}, "'grace' is out of range"),
        ("job.start", {**START, "grace": True}, "'grace' is of a wrong type"),
        ("job.list", {"state": "dead"}, "'state' is malformed"),
        ("job.list", {"before": "x"}, "'before' is malformed"),
        ("job.rerun", {"job_id": JOB, "new_id": "x"}, "'new_id' is malformed"),
        ("job.prune", {}, "'older' is missing"),
    ],
)
def test_bad_parameters_are_refused_in_words(method: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_parameters(method, values)
    assert caught.value.code == -32602
    assert str(caught.value).startswith(f"{method}: ")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 160


REQUESTS = [vector for vector in read_vectors("messages.json")["good"] if vector["type"] == "Request"]


@pytest.mark.parametrize("vector", REQUESTS, ids=lambda vector: vector["text"][:60])
def test_the_requests_of_the_vectors_are_taken(vector: dict[str, Any]) -> None:
    parse_parameters(vector["method"], vector["params"])
