"""The pages in a real browser: every way to them, odd names, many rows, a narrow window, keys alone, the plot."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chromium import Page, run_chromium
from headless.inventory.collect.arrival import build_arrival
from headless.inventory.collect.store import Store
from headless.inventory.package import Package
from headless.inventory.report import Report
from inventory_fleet import DAY, EVIL, AskedCollector
from inventory_server import CollectorServer
from inventory_support import BASE

SITES = ("A/B & <b>c</b>", "Gr\xfc\xdfe \u2603", "a#b?c=d&e", "50%25 'off' \"now\"", "", "..a", "x" * 200)
HOST = "we/ird#1.example.org"
PACKAGES = (EVIL, "lib/++?x=1#y", "caf\xe9", "v" * 200)
MANY = 250
VERSIONS = 30
REFERENCE = '[[rule]]\npackage = "one"\nkind = "rpm"\nversion = ">= 2"\n'

TABBABLE = "[...document.querySelectorAll('a, button, input, summary, [tabindex]')].filter(e => e.offsetParent).length"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LINKS = "[...document.querySelectorAll('a[href]')].map(link => link.href)"
FORMS = "[...document.querySelectorAll('input')].every(e => e.labels.length || e.ariaLabel)"
CONTRAST = """
(() => {
  const light = c => { const v = c.map(x => x / 255).map(x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
                       return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const read = text => text.match(/[\\d.]+/g).map(Number);
  const bad = [];
  for (const element of document.querySelectorAll('main *, header *')) {
    const own = [...element.childNodes].some(n => n.nodeType == 3 && n.textContent.trim());
    if (!own || element.closest('button, title')) continue;
    const style = getComputedStyle(element);
    let ground = [0, 0, 0, 0];
    for (let e = element; e && ground.length == 4 && ground[3] == 0; e = e.parentElement)
      ground = read(getComputedStyle(e).backgroundColor);
    const ink = element.closest('svg') ? read(style.fill) : read(style.color);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) bad.push([element.outerHTML.slice(0, 80), ratio]);
  }
  return bad;
})()
"""


def build_reports(now: int) -> Iterator[Report]:
    """Many hosts of one site; sites, hosts and packages with odd names; packages of 1, 2 and 30 versions."""
    for number in range(MANY):
        packages = [*BASE, Package("rpm", "one", "0:1-1", "noarch"), Package("rpm", "two", f"0:{number % 2}-1", "x")]
        packages.append(Package("rpm", "many", f"0:1.{number % VERSIONS}-1", "x86_64"))
        packages.append(Package("rpm", "long", f"0:{number % 3}.{'1' * 60}-1", "x86_64"))
        yield Report(host=f"n{number:03}.example.org", site="LARGE", packages=tuple(packages), made=now - DAY)
    for site in SITES:
        packages = [*BASE, *(Package("rpm", name, "0:1-1", "noarch") for name in PACKAGES)]
        yield Report(host=HOST, site=site, packages=tuple(packages), made=now - 60, tag="<i>", kernel="k" * 300)
    for day in range(130):
        packages = [*BASE, Package("rpm", "daily", f"0:{day}-1", "noarch")]
        yield Report(host="old.example.org", site="OLD", packages=tuple(packages), made=now - (130 - day) * 3600)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedCollector]:
    """A collector that holds them."""
    folder = tmp_path_factory.mktemp("browser")
    (folder / "baseline.toml").write_text(REFERENCE)
    now = int(time.time())

    async def fill() -> None:
        store = Store.open("", str(folder / "state"))
        await store.store([build_arrival(report, now) for report in build_reports(now)])
        await store.close()

    (folder / "state").mkdir(mode=0o700)
    asyncio.run(fill())
    with CollectorServer(folder, '[serve]\nreferences = ["baseline.toml"]\n') as server:
        yield AskedCollector(server.start(), folder, now)
        assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One browser for all."""
    with run_chromium() as page:
        for name in ("Network", "Log", "Security", "Accessibility", "DOM"):
            page.call(f"{name}.enable")
        yield page


@pytest.fixture
def page(browser: Page, collector: AskedCollector) -> Iterator[Page]:
    """A page whose reader has logged in; what it loads is of the collector, and nothing in it is amiss."""
    resize(browser, 1200)
    browser.call("Emulation.setEmulatedMedia", media="", features=[])
    set_cookie(browser, collector, "all")
    browser.events.clear()
    yield browser
    check_events(browser, collector)


def resize(page: Page, width: int) -> None:
    """Make the window so wide."""
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)


def set_cookie(page: Page, collector: AskedCollector, name: str) -> None:
    """Be logged in."""
    page.call("Network.clearBrowserCookies")
    token = collector.tokens[name].read_text().strip()
    page.call("Network.setCookie", name="headless-inventory", value=token, url=collector.url)


def check_events(page: Page, collector: AskedCollector) -> None:
    """All that was fetched is the collector's, and the browser complained of nothing."""
    page.evaluate("1")
    fetched = [event["params"]["request"]["url"] for event in page.events if event["method"].endswith("BeSent")]
    assert [url for url in fetched if not url.startswith((collector.url + "/", "about:"))] == []
    complaints = [
        event["params"]
        for event in page.events
        if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        and "favicon" not in json.dumps(event)
        and event["params"].get("entry", {}).get("level") != "verbose"  # advice on how to write forms
    ]
    assert complaints == []


def open_page(page: Page, url: str) -> None:
    """Go there; it must be answered with 200."""
    page.call("Page.navigate", url="about:blank")
    page.wait("location.href == 'about:blank'")
    page.call("Page.navigate", url=url)
    page.wait("document.readyState == 'complete' && document.querySelector('main') !== null")
    assert page.evaluate("performance.getEntriesByType('navigation')[0].responseStatus") == 200, url


def find_names(page: Page) -> list[dict[str, Any]]:
    """What a screen reader is told: roles and names."""
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    return [
        {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")}
        for node in nodes
        if not node["ignored"] and "role" in node
    ]


def test_every_page_is_reached_from_the_first_and_fits_a_phone(page: Page, collector: AskedCollector) -> None:
    resize(page, 375)
    waiting, seen, kinds = [f"{collector.url}/"], set[str](), set[str]()
    while waiting:
        url = waiting.pop(0)
        open_page(page, url)
        assert page.evaluate(OVERFLOW) <= 0, url
        assert page.evaluate(FORMS) and page.evaluate("document.querySelectorAll('h1').length") == 1, url
        assert page.evaluate("document.querySelectorAll('script, main b, main i').length") == 0, url
        kinds.add(url.removeprefix(collector.url).split("/")[1])
        links = [link for link in page.evaluate(LINKS) if link.startswith(collector.url)]
        is_first = url == f"{collector.url}/"
        # All sites; of the hosts and packages of each page the first few, and those with odd names.
        odd = [link for link in links if re.search(r"/package/[^/]*%|[?](after|before|set)=", link)][:3]
        for link in links if is_first else [*links[:4], *odd]:
            if link.partition("#")[0] not in seen and len(seen) < 40:
                seen.add(link.partition("#")[0])
                waiting.append(link)
    assert kinds == {"", "site", "host", "package"}
    assert len(seen) == 40


def test_odd_names_are_shown_as_they_are_and_lead_where_they_say(page: Page, collector: AskedCollector) -> None:
    for place, site in enumerate(sorted(SITES)):
        open_page(page, f"{collector.url}/")
        shown = page.evaluate("[...document.querySelectorAll('tbody a')].map(link => link.innerText)")
        assert (site or "(none)") in shown
        row = shown.index(site or "(none)")
        page.evaluate(f"document.querySelectorAll('tbody a')[{row}].click()")
        page.wait("location.pathname.startsWith('/site/') && document.querySelector('#hosts') !== null")
        assert "1 hosts, 1 different lists of packages" in page.text, site
        page.evaluate("document.querySelectorAll('table')[1].querySelector('tbody a').click()")
        page.wait("location.pathname.startsWith('/host/') && document.querySelector('#packages') !== null")
        assert page.evaluate("document.querySelector('h1').innerText") == HOST
        name = PACKAGES[place % len(PACKAGES)]
        script = f"[...document.querySelectorAll('a')].find(link => link.innerText == {json.dumps(name)}).click()"
        page.evaluate(script)
        page.wait("location.pathname.startsWith('/package/') && document.querySelector('h1') !== null")
        assert page.evaluate("document.querySelector('h1').innerText") == name
        assert page.evaluate("document.querySelectorAll('svg polygon').length") == 1


def test_all_hosts_of_a_large_site_are_shown_once_page_by_page(page: Page, collector: AskedCollector) -> None:
    open_page(page, f"{collector.url}/site/LARGE")
    shown = []
    while True:
        shown += page.evaluate(
            "[...document.querySelectorAll('table')[1].tBodies[0].rows].map(r => r.cells[0].innerText)"
        )
        if not page.evaluate("document.querySelector('a[rel=next]') !== null"):
            break
        before = page.evaluate("location.search")
        page.evaluate("document.querySelector('a[rel=next]').click()")
        page.wait(f"location.search != {json.dumps(before)} && document.querySelectorAll('table').length == 2")
        page.wait("document.readyState == 'complete'")
    assert shown == [f"n{number:03}.example.org" for number in range(MANY)]


def test_a_host_of_many_changes_shows_the_newest_first_and_all_of_them(page: Page, collector: AskedCollector) -> None:
    open_page(page, f"{collector.url}/host/OLD/old")
    shown = []
    while True:
        shown += page.evaluate(
            "[...document.querySelectorAll('table')[0].tBodies[0].rows].map(r => r.cells[6].innerText)"
        )
        following = page.evaluate("(document.querySelector('a[rel=next]') || {}).href")
        if following is None:
            break
        open_page(page, following)
    assert shown == [*(f"daily.noarch 0:{day - 1}-1 -> 0:{day}-1" for day in range(129, 0, -1)), ""]


def test_keys_alone_are_enough(browser: Page, collector: AskedCollector) -> None:
    page = browser
    page.call("Network.clearBrowserCookies")
    open_page(page, f"{collector.url}/login")
    for _ in range(2):  # past the way home
        page.press("Tab", 9)
    assert page.evaluate("document.activeElement.name") == "token"
    page.call("Input.insertText", text=collector.tokens["all"].read_text().strip())
    page.press("Enter", 13)
    page.wait("location.pathname == '/' && document.querySelector('tbody a') !== null")
    for _ in range(page.evaluate(TABBABLE)):
        page.press("Tab", 9)
        if page.evaluate("document.activeElement.innerText") == "LARGE":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.press("Enter", 13)
    page.wait("location.pathname == '/site/LARGE' && document.querySelector('#hosts') !== null")
    for _ in range(2):
        page.press("Tab", 9)
    page.call("Input.insertText", text="n24")
    page.press("Enter", 13)
    page.wait("location.pathname == '/search' && document.querySelectorAll('main a').length >= 10")


@pytest.mark.parametrize(("name", "versions"), [("one", 1), ("two", 2), ("many", 8), ("long", 3)])
def test_the_plot_is_legible_and_told_in_numbers_too(
    page: Page, collector: AskedCollector, name: str, versions: int
) -> None:
    open_page(page, f"{collector.url}/package/{name}")
    assert page.evaluate("document.querySelectorAll('svg polygon').length") == versions
    boxes = page.evaluate(
        "[...document.querySelectorAll('svg text, svg rect')].map(e => { const b = e.getBoundingClientRect(),"
        " p = e.ownerSVGElement.getBoundingClientRect();"
        " return [b.left - p.left, p.right - b.right, b.top - p.top, p.bottom - b.bottom]; })"
    )
    assert min(min(box) for box in boxes) >= -1
    legend = page.evaluate(
        "[...document.querySelectorAll('svg tspan')].map(e => e.parentElement.getBoundingClientRect())"
        ".map(b => [b.top, b.bottom])"
    )
    assert len(legend) == versions and all(a[1] <= b[0] + 1 for a, b in pairwise(legend))
    colours = page.evaluate("[...document.querySelectorAll('svg polygon')].map(e => getComputedStyle(e).fill)")
    assert len(set(colours)) == versions
    page.evaluate("document.querySelector('summary').click()")
    rows = page.evaluate(
        "[...document.querySelectorAll('details table tbody tr')].map(r => [...r.cells].map(c => c.innerText))"
    )
    assert len(rows) == versions and sum(int(row[-1]) for row in rows) == MANY
    assert {"role": "image", "name": "hosts by version over time"} in find_names(page)
    resize(page, 375)
    size = page.evaluate("document.querySelector('svg text').getBoundingClientRect().height")
    assert size >= 9, "too small to read"


def test_colours_stand_out_and_everything_has_a_name(page: Page, collector: AskedCollector) -> None:
    for theme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        for path in ("/", "/site/LARGE", "/host/OLD/old", "/package/two", "/search?q=n24", "/login", "/site/"):
            open_page(page, collector.url + path)
            assert page.evaluate(CONTRAST) == [], (theme, path)
    for node in find_names(page):
        if node["role"] in ("link", "button", "textbox", "heading", "searchbox"):
            assert node["name"], node


def test_what_is_printed_has_the_tables_and_not_the_forms(page: Page, collector: AskedCollector) -> None:
    open_page(page, f"{collector.url}/package/two")
    page.call("Emulation.setEmulatedMedia", media="print", features=[])
    assert page.evaluate("getComputedStyle(document.querySelector('header')).display") == "none"
    assert page.evaluate("document.querySelector('svg').getBoundingClientRect().width > 300")
    assert len(page.call("Page.printToPDF", printBackground=False)["data"]) > 5000
    resize(page, 700)
    assert page.evaluate(OVERFLOW) <= 0


def test_a_wrong_token_is_told_and_after_the_logout_nothing_is_shown(browser: Page, collector: AskedCollector) -> None:
    page = browser
    page.call("Network.clearBrowserCookies")
    open_page(page, f"{collector.url}/login")
    page.evaluate("document.querySelector('input[name=token]').value = 'hli_nonsense'")
    page.evaluate("document.querySelector('main button').click()")
    page.wait("document.querySelector('.bad') !== null")
    assert "This token is not known here." in page.text and "hli_nonsense" not in page.evaluate("location.href")
    token = collector.tokens["all"].read_text().strip()
    page.evaluate(f"document.querySelector('input[name=token]').value = {token!r}")
    page.evaluate("document.querySelector('main button').click()")
    page.wait("location.pathname == '/' && document.querySelector('tbody tr') !== null")
    assert page.evaluate("document.cookie") == ""
    page.evaluate("document.querySelector('form[action=\"/logout\"] button').click()")
    page.wait("location.pathname == '/login'")
    page.evaluate("location.href = '/'")
    page.wait("location.pathname == '/login' && document.querySelector('input[name=token]') !== null")


def test_a_collector_without_reports_says_so_on_every_page(tmp_path: Path, browser: Page) -> None:
    resize(browser, 375)
    with CollectorServer(tmp_path) as server:
        collector = AskedCollector(server.start(), tmp_path, 0)
        set_cookie(browser, collector, "all")
        open_page(browser, f"{collector.url}/")
        browser.wait("document.querySelector('main p') !== null && !document.querySelector('meta[http-equiv]')")
        assert "No host that you may see has reported yet." in browser.text
        assert browser.evaluate("document.querySelectorAll('table').length") == 0
        open_page(browser, f"{collector.url}/package/openssl")
        assert "No host that you may see has it." in browser.text
        open_page(browser, f"{collector.url}/search?q=x")
        assert "Nothing that you may see is called so." in browser.text
        assert browser.evaluate(OVERFLOW) <= 0
        for path in ("/site/X", "/host/x", "/site/"):
            status, _, body = collector.get(path)
            assert status == 404 and b"that you may see" in body
