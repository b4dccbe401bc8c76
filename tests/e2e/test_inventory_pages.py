"""The pages, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chromium import Page, run_chromium
from inventory_fleet import EVIL, AskedCollector, run_asked_collector

SETTINGS = """
[serve]
references = ["baseline.toml"]
"""
REFERENCE = """
name = "baseline"
[[rule]]
package = "openssl"
kind = "rpm"
version = ">= 3.0.11"
"""

LABELS_INSIDE = """
[...document.querySelectorAll('svg text')].every(label => {
  const box = label.getBoundingClientRect(), plot = label.ownerSVGElement.getBoundingClientRect();
  return box.left >= plot.left - 1 && box.right <= plot.right + 1 && box.bottom <= plot.bottom + 1;
})
"""


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """A collector that holds a fleet, and a reference."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "baseline.toml").write_text(REFERENCE)
    with run_asked_collector(folder, SETTINGS) as collector:
        yield collector


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One browser for all."""
    with run_chromium() as page:
        yield page


@pytest.fixture
def page(browser: Page, collector: AskedCollector) -> Page:
    """A page whose reader has logged in, with a token for all sites."""
    log_in(browser, collector, "all")
    return browser


def log_in(page: Page, collector: AskedCollector, name: str) -> None:
    """Log in as a person does, by the form."""
    page.call("Network.clearBrowserCookies")
    page.open(collector.url)
    page.wait("location.pathname == '/login' && document.querySelector('input[name=token]') !== null")
    token = collector.tokens[name].read_text().strip()
    page.evaluate(f"document.querySelector('input[name=token]').value = {token!r}")
    page.evaluate("document.querySelector('main form').submit()")
    page.wait("location.pathname == '/' && document.querySelector('tbody tr') !== null")


def test_sites_with_their_conformity(page: Page) -> None:
    rows = page.evaluate("[...document.querySelectorAll('tbody tr')].map(row => [...row.cells].map(c => c.innerText))")
    assert [row[0] for row in rows] == ["ALPHA", "BETA", "GAMMA"]
    assert [(row[1], row[3], row[4], row[5]) for row in rows] == [("12", "1", "91.7 %", "1")] * 3
    assert "36 hosts in 3 sites, 3 silent; 3 fall short of baseline" in page.text


def test_from_a_site_to_a_group_to_a_host_to_a_package(page: Page) -> None:
    page.evaluate("document.querySelector('tbody a').click()")
    page.wait("location.pathname == '/site/ALPHA' && document.querySelector('#hosts') !== null")
    assert "12 hosts, " in page.text and "node11.example.org" in page.text
    page.evaluate("document.querySelectorAll('table')[0].querySelector('tbody tr:last-child a').click()")
    page.wait("document.querySelector('tr.chosen') !== null")
    hosts = page.evaluate("document.querySelectorAll('table')[1].tBodies[0].rows.length")
    assert 1 <= hosts < 12
    page.evaluate("document.querySelectorAll('table')[1].querySelector('tbody a').click()")
    page.wait("location.pathname.startsWith('/host/ALPHA/node') && document.querySelector('#packages') !== null")
    assert "History" in page.text
    page.evaluate("[...document.querySelectorAll('a')].find(link => link.innerText == 'kernel').click()")
    page.wait("location.pathname == '/package/kernel' && document.querySelector('svg.plot') !== null")
    assert "Now, by site" in page.text


def test_the_plot_has_axes_a_legend_and_the_numbers_that_were(page: Page, collector: AskedCollector) -> None:
    page.open(f"{collector.url}/package/openssl")
    labels = page.evaluate("[...document.querySelectorAll('svg text')].map(label => label.textContent)")
    assert "1:3.0.11-28.el9 33" in labels and "1:3.0.7-28.el9 3" in labels
    assert any(re.fullmatch(r"\d{4}-\d\d-\d\d", label) for label in labels) and "hosts" in labels
    assert page.evaluate("document.querySelectorAll('svg polygon').length") == 2
    assert page.evaluate(LABELS_INSIDE), labels


def test_light_and_dark(page: Page) -> None:
    for dark in (False, True):
        assert page.take_picture(1000, 600, dark=dark)[:4] == b"\x89PNG"
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(20, 24, 29)" if dark else "rgb(255, 255, 255)")


def test_html_in_names_is_shown_and_not_run(page: Page, collector: AskedCollector) -> None:
    rows = collector.ask("who-has", requirement="*", site="ALPHA", limit="10000")["rows"]
    host = next(row["host"] for row in rows if row["name"] == EVIL)
    page.open(f"{collector.url}/host/ALPHA/{host}")
    assert EVIL in page.text
    assert page.evaluate("document.title") == f"Inventory: {host}"
    assert page.evaluate("document.querySelectorAll('script').length") == 0
    page.evaluate("[...document.querySelectorAll('#packages ~ .wide a')].find(a => a.innerText[0] == '<').click()")
    page.wait("location.pathname.startsWith('/package/') && document.querySelector('main *') !== null")
    assert EVIL in page.text and page.evaluate("document.title") == f"Inventory: {EVIL}"
    assert page.evaluate("document.querySelectorAll('script').length") == 0


def test_nothing_is_loaded_from_elsewhere_and_scripts_are_forbidden(collector: AskedCollector) -> None:
    for path in ("/", "/site/ALPHA", "/host/ALPHA/node1.example.org", "/package/openssl", "/search?q=node", "/login"):
        status, headers, body = collector.get(path)
        assert status == 200, path
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
        assert b"<script" not in body.replace(b"&lt;", b"")
        assert set(re.findall(rb'(?:src|href)="(https?:[^"]*)', body)) == set()


def test_search_finds_sites_hosts_and_packages(page: Page, collector: AskedCollector) -> None:
    for text, found in (("alp", "ALPHA"), ("wn1", "wn11.beta.example.org of BETA"), ("open", "openssl")):
        page.evaluate(f"document.querySelector('input[name=q]').value = '{text}'")
        page.evaluate("document.querySelector('header form').submit()")
        page.wait(f"location.search == '?q={text}' && document.querySelector('h1') !== null")
        assert found in page.text


def test_who_may_see_one_site_sees_that_one_alone(browser: Page, collector: AskedCollector) -> None:
    log_in(browser, collector, "alpha")
    assert "12 hosts in 1 sites" in browser.text and "BETA" not in browser.text
    for path in ("/site/BETA", "/host/BETA/wn1.beta.example.org"):
        browser.open(collector.url + path)
        assert "that you may see" in browser.text
    browser.open(f"{collector.url}/package/openssl")
    assert "BETA" not in browser.text and "1:3.0.11-28.el9 11" in browser.evaluate(
        "document.querySelector('svg').textContent"
    )
    browser.evaluate("document.querySelector('form[action=\"/logout\"]').submit()")
    browser.wait("location.pathname == '/login'")
    browser.open(collector.url)
    assert browser.evaluate("location.pathname") == "/login"


def test_the_cookie_is_for_the_pages_alone(collector: AskedCollector) -> None:
    token = collector.tokens["all"].read_text().strip()
    status, headers, _ = collector.get("/login", "", body=f"token={token}".encode())
    assert status == 303 and headers["location"] == "/"
    assert "HttpOnly" in headers["set-cookie"] and "samesite=strict" in headers["set-cookie"].lower()
    assert collector.get("/login", "", body=b"token=nonsense")[0] == 403
    assert collector.get("/", "")[0] == 303
    assert collector.get("/", "sender")[0] == 403


def test_pages_are_divided(collector: AskedCollector) -> None:
    body = collector.get("/package/*")[2].decode()
    assert body.count("<tr><td>") == 100 and 'rel="next"' in body
    following = re.search(r'rel="next" href="([^"]*)"', body)
    assert following is not None
    assert collector.get("/package/*" + following[1].replace("&amp;", "&"))[0] == 200


def test_the_picture_in_the_documents_is_small() -> None:
    picture = Path(__file__).parents[2] / "docs" / "inventory-site.png"
    assert picture.read_bytes()[:4] == b"\x89PNG" and picture.stat().st_size < 150_000
