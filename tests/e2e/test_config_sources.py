"""Settings from variables and files: each works, the order holds, and what is wrong is told with its place."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from launch_support import run_shell
from support import HEADLESS, Server, open_world


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with the user ``batch``, who may run everything."""
    with open_world() as world:
        server = world.serve()
        server.add_user("batch", "--allow-code", "--allow-script", "--allow-module", "*")
        yield server


@pytest.fixture
def config(server: Server) -> Iterator[Path]:
    """The user's file, not there yet."""
    path = server.world.home / ".config" / "headless" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def variables(server: Server) -> dict[str, str]:
    """A whole login by variables."""
    secret = f"{server.world.home}/batch.secret"
    return {"HEADLESS_SERVICE": server.service, "HEADLESS_USER": "batch", "HEADLESS_SECRET": secret}


def show(text: str) -> str:
    """Code that prints a text."""
    return f"print({text!r})"


def test_every_setting_may_come_from_a_variable(server: Server, variables: dict[str, str]) -> None:
    more = {
        "HEADLESS_AUTH_TYPE": "challenge",
        "HEADLESS_TIMEOUT": "-1",
        "HEADLESS_PY_CODE": "print('by variable'); raise SystemExit(7)",
        "HEADLESS_OUTPUT": "-",
        "HEADLESS_EXIT_CODE": "job",
        "HEADLESS_CONNECT_FOR": "10",
        "HEADLESS_VERBOSE": "1",
    }
    done = server.world.run("--name", "x", environment={**variables, **more})
    assert (done.returncode, done.stdout) == (7, b"by variable\n")
    assert b"headless: logged in as batch (challenge)\n" in done.stderr


def test_every_setting_may_come_from_the_users_file(server: Server, config: Path) -> None:
    config.write_text(
        f'service = "{server.service}"\nuser = "batch"\nauth-type = "challenge"\ntimeout = -1\noutput = "-"\n'
        f'secret = "~/batch.secret"\npy_code = "print(1)"\nverbose = 1\nquiet = false\n'
    )
    done = server.world.run("--connect-for", "9")
    assert (done.returncode, done.stdout) == (0, b"1\n")
    assert b"headless: logged in as batch (challenge)\n" in done.stderr


def test_an_option_beats_a_variable_and_that_a_file(server: Server, config: Path, variables: dict[str, str]) -> None:
    config.write_text(f'output = "-"\ntimeout = 60\npy-code = "{show("file")}"\n'.replace("'", "\\u0027"))
    assert server.world.run("--quiet", environment=variables).stdout == b"file\n"
    variables["HEADLESS_PY_CODE"] = show("variable")
    assert server.world.run("--quiet", environment=variables).stdout == b"variable\n"
    assert server.world.run("-c", show("option"), environment=variables).stdout == b"option\n"
    # A wrong timeout of a weaker place does not count where a stronger one is given.
    variables["HEADLESS_TIMEOUT"] = "never"
    assert server.world.run("-t", "60", environment=variables).stdout == b"variable\n"
    assert server.world.run("--quiet", environment=variables).returncode == 2


def test_what_to_run_is_one_setting(server: Server, config: Path, variables: dict[str, str]) -> None:
    variables["HEADLESS_MODULE"] = "no-such-module"
    config.write_text('py-file = "/no/such/file"\n')
    done = server.world.run("-c", "pass", "-t", "60", environment=variables)
    assert (done.returncode, done.stderr) == (0, b"")
    done = server.world.run("-t", "60", environment=variables)
    assert (done.returncode, done.stderr) == (2, b"headless: unknown module 'no-such-module'\n")
    # Two in the same place are two jobs.
    variables["HEADLESS_PY_CODE"] = "pass"
    done = server.world.run("-t", "60", environment=variables)
    assert done.returncode == 2
    assert done.stderr == (
        b"headless: more than one job given: use one of -m MODULE, -f FILE and -c CODE"
        b" (settings also come from HEADLESS_SERVICE, HEADLESS_USER, HEADLESS_SECRET, HEADLESS_MODULE, "
        + f"{config}, HEADLESS_PY_CODE)\n".encode()
    )


def test_verbosity_of_a_stronger_place_wins(server: Server, config: Path, variables: dict[str, str]) -> None:
    config.write_text("quiet = true\n")
    words = ["-c", "1/0", "-t", "60"]
    assert server.world.run(*words, environment=variables).stderr == b""
    assert b"failed: ZeroDivisionError" in server.world.run(*words, "-v", environment=variables).stderr
    variables["HEADLESS_VERBOSE"] = "2"
    assert b"> job.start" in server.world.run(*words, environment=variables).stderr
    assert server.world.run(*words, "-q", environment=variables).stderr == b""
    # Quiet by a variable or a file holds for errors of the connection too.
    del variables["HEADLESS_VERBOSE"]
    done = server.world.run(*words, "-s", "127.0.0.1:1", "--connect-for", "0.5", environment=variables)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('servic = "a:1"\n', "unknown setting 'servic': did you mean 'service'?"),
        ("service = a:1\n", "not valid TOML: Invalid value (at line 1, column 11)"),
        ("timeout = true\n", "setting 'timeout' must be a text or a number"),
        ("quiet = 1\n", "setting 'quiet' must be true or false"),
        ('verbose = "2"\n', "setting 'verbose' must be a whole number"),
        ("verbose = true\n", "setting 'verbose' must be a whole number"),
        ("module = ['a']\n", "setting 'module' must be a text or a number"),
        ("help = true\n", "unknown setting 'help'"),
    ],
)
def test_a_wrong_file_is_told_with_its_name(server: Server, config: Path, text: str, reason: str) -> None:
    config.write_text(text)
    done = server.world.run("-c", "pass", "-s", server.unix)
    assert done.returncode == 2
    assert done.stderr.decode() == f"headless: {config}: {reason}\n"
    assert server.world.run("-q", "-c", "pass", "-s", server.unix).stderr == b""


def test_a_wrong_value_is_told_with_where_values_come_from(server: Server, config: Path) -> None:
    config.write_text('timeout = "soon"\n')
    done = server.world.run("-c", "pass", "-s", server.unix)
    assert done.returncode == 2
    assert done.stderr.endswith(f" (settings also come from {config})\n".encode())


def test_an_empty_variable_counts_as_none(server: Server) -> None:
    done = server.world.run("-c", "pass", "-s", server.unix, environment={"HEADLESS_TIMEOUT": "", "HEADLESS_USER": ""})
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("environment", ["-i", "-i HOME=", "-i HOME=/nonexistent PATH=/usr/bin:/bin", "-u HOME"])
def test_almost_no_environment_is_enough(server: Server, environment: str) -> None:
    secret = f"{server.world.home}/batch.secret"
    words = f"-s {server.service} -u batch -p {secret} -t -1 -c pass"
    done = run_shell(server.world, f"exec env {environment} {HEADLESS} {words}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_users_own_folder_holds_the_secret_unless_systemd_does(
    server: Server, config: Path, variables: dict[str, str]
) -> None:
    del variables["HEADLESS_SECRET"]
    default = config.parent / "secret"
    done = server.world.run("-c", "pass", environment=variables)
    assert done.stderr.startswith(f"headless: secret file {default} is missing: ".encode())
    default.write_bytes((server.world.home / "batch.secret").read_bytes())
    default.chmod(0o400)
    assert server.world.run("-c", "pass", environment=variables).returncode == 0
    # LoadCredential=headless:FILE of a unit
    credentials = server.world.home / "credentials"
    credentials.mkdir(mode=0o700)
    default.rename(credentials / "headless")
    (credentials / "headless").chmod(0o440)
    variables["CREDENTIALS_DIRECTORY"] = str(credentials)
    done = server.world.run("-c", "pass", environment=variables)
    assert (done.returncode, done.stderr) == (0, b"")
