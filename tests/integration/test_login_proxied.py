"""Behind a TLS proxy: no binding is possible, so both sides must have been told, and the chain is checked."""

from collections.abc import Iterator

import pytest

from authority import Authority
from raw_session import raw_session
from relay import plain_connect, tls_relay
from support import Server, World


@pytest.fixture
def authority(world: World) -> Authority:
    return Authority(world.home)


@pytest.fixture
def server(world: World) -> Server:
    return world.serve("--listen", "proxied:127.0.0.1:0", tls=False)


@pytest.fixture
def login(world: World, server: Server) -> list[str]:
    return server.add_user("batch", "--allow-code")[2:]


@pytest.fixture
def proxy(server: Server, authority: Authority) -> Iterator[str]:
    plain = server.wait_log(r"listening address=proxied:(\S+)")[1]
    with tls_relay(*authority.issue_server("proxy"), plain_connect(plain)) as service:
        yield service


def test_through_a_proxy_a_launch_works_if_both_sides_know_of_it(
    world: World, proxy: str, login: list[str], authority: Authority
) -> None:
    done = world.run(
        "-s", proxy, *login, "--proxied", "--ca-file", authority.file, "-c", "print(1)", "-t", "-1", "-o", "-"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n", b"")


def test_without_the_option_the_launcher_is_told_which_one_is_missing(
    world: World, proxy: str, login: list[str], server: Server, authority: Authority
) -> None:
    for more in ([], ["--ca-file", authority.file]):
        done = world.run("-s", proxy, *login, *more, "-c", "pass", "-t", "-1")
        assert (done.returncode, b"add --proxied" in done.stderr) == (2, True), done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert "action=accept" not in server.log
    assert server.log.count("action=refused") == 2


def test_with_the_option_the_proxys_chain_is_checked_in_any_case(
    world: World, proxy: str, login: list[str], server: Server
) -> None:
    other = Authority(world.home, "other")
    for more in (["--ca-file", other.file], []):  # without a file: the system's authorities
        done = world.run("-s", proxy, *login, "--proxied", *more, "-c", "pass", "-t", "-1")
        assert (done.returncode, b"is not trusted" in done.stderr) == (1, True), done.stderr
    assert "action=refused" not in server.log  # it did not even come to a login


def test_a_server_with_its_own_tls_takes_no_login_without_binding(world: World, authority: Authority) -> None:
    """So a proxy cannot talk a launcher that was told of one into logging in to a server that was not."""
    certificate, key = authority.issue_server()
    server = world.serve("--certificate", certificate, "--key", key)
    login = server.add_user("batch", "--allow-code")
    done = world.run(*login, "--proxied", "--ca-file", authority.file, "-c", "pass", "-t", "-1")
    assert (done.returncode, b"leave out --proxied" in done.stderr) == (2, True), done.stderr


def test_the_plain_port_itself_is_no_tls(world: World, server: Server, login: list[str]) -> None:
    plain = server.wait_log(r"listening address=proxied:(\S+)")[1]
    done = world.run("-s", plain, *login, "--proxied", "-c", "pass", "-t", "-1", "--connect-for", "1")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_osuser_is_no_way_in_through_a_proxy(world: World, server: Server, proxy: str, authority: Authority) -> None:
    with raw_session(proxy) as session:
        assert session.error("login.osuser", user="root")["data"] == {"exit_code": 5}
