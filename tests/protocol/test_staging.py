"""A job's files on the grid, as they are named on the launcher's command line."""

import pytest

from headless.errors import ParameterError
from headless.protocol.staging import Staged, parse_inputs, parse_outputs


def test_what_is_fetched_and_what_is_stored() -> None:
    assert parse_inputs(["alien:/a/x=in/x", "a=b=c"]) == [Staged("/a/x", "in/x"), Staged("a=b", "c")]
    assert parse_outputs(["out/./y=/a/y", "c=a=b"]) == [Staged("/a/y", "out/y"), Staged("a=b", "c")]


@pytest.mark.parametrize("text", ["", "x", "=x", "x=", "/a/=x", "/a=x/", "alien:=x"])
def test_what_names_no_file(text: str) -> None:
    with pytest.raises(ParameterError, match=r"^--in .*: give LFN=PATH, of one file"):
        parse_inputs([text])
    with pytest.raises(ParameterError, match=r"^--out .*: give PATH=LFN, of one file"):
        parse_outputs(["=".join(reversed(text.rpartition("=")[::2]))])


@pytest.mark.parametrize("path", ["/etc/passwd", "..", ".", "../x", "a/../../x"])
def test_no_path_leads_out_of_the_working_folder(path: str) -> None:
    with pytest.raises(ParameterError, match="the path must be within the job's working folder"):
        parse_inputs([f"/a/x={path}"])
    with pytest.raises(ParameterError, match="the path must be within the job's working folder"):
        parse_outputs([f"{path}=/a/x"])


def test_no_two_files_take_one_place() -> None:
    with pytest.raises(ParameterError, match="--in: two files would have the same path"):
        parse_inputs(["/a=x", "/b=./x"])
    with pytest.raises(ParameterError, match="--out: two files would have the same LFN"):
        parse_outputs(["x=/a", "y=/a"])
