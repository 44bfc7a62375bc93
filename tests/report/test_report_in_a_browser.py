"""The report in a real browser: what a person sees in light, in the dark, on paper, on a phone."""

import pytest

from imbalance.report.build import write_report
from imbalance.report.records import Stretch
from imbalance.report.strip import Span, coverage_strip
from tests.browser import Browser
from tests.report.conftest import empty_session, fill
from tests.report.test_report import HOSTILE
from tests.report.test_report_figures import SECOND, series

CONTRAST = """(() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => {
    v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const page = light(getComputedStyle(document.documentElement).backgroundColor);
  return Math.min(...[...document.querySelectorAll("h1,h2,p,td,th,li,figcaption,a")].map(e => {
    const one = light(getComputedStyle(e).color);
    return (Math.max(one, page) + 0.05) / (Math.min(one, page) + 0.05); }));
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    with empty_session() as session:
        fill(session, (HOSTILE, "b:B"))
        write_report(session, out, title=HOSTILE, generation=HOSTILE)
    return out


def test_it_is_readable_asks_for_nothing_and_is_inert(browser, page):
    seen = {}
    for scheme in ("light", "dark"):
        browser.look(scheme=scheme)
        browser.go(page.as_uri())
        # Pictures inside of drawings are data and no request to anywhere.
        assert [one for one in browser.asked_for() if not one.startswith("data:")] == [
            page.as_uri()
        ]
        assert browser.complaints() == []
        assert browser.ask(CONTRAST) > 4.5, scheme
        seen[scheme] = browser.ask("getComputedStyle(document.documentElement).backgroundColor")
        assert browser.ask("document.querySelectorAll('script, img, iframe').length") == 0
        assert not [e for e in browser.events if e.get("method") == "Page.javascriptDialogOpening"]
    assert seen["light"] != seen["dark"]
    assert browser.ask("document.querySelector('section').id") == "overview"
    assert browser.ask("document.querySelector('dl.tiles').getBoundingClientRect().bottom") < 900
    assert browser.ask("document.documentElement.scrollWidth") == 1280


def test_a_script_that_got_in_would_be_refused(browser, page, tmp_path):
    """The policy of the page holds even where escaping had failed."""
    broken = page.read_text().replace(
        "</main>", "<script>window.broken = 1</script><img src=x.png></main>"
    )
    (tmp_path / "broken.html").write_text(broken)
    browser.go((tmp_path / "broken.html").as_uri())
    assert browser.ask("window.broken") is None
    assert any("Content Security Policy" in said for said in browser.complaints())


def test_every_chart_shows_what_is_behind_it(browser, page):
    browser.look()
    browser.go(page.as_uri())
    assert browser.ask("document.querySelectorAll('.chart figure').length") > 3
    without = browser.ask("""[...document.querySelectorAll('section:not(#price) .chart figure')]
        .filter(f => !f.querySelector('svg.strip use')).length""")
    assert without == 0
    assert browser.ask("""[...document.querySelectorAll('svg.strip')].every(
        s => s.getBoundingClientRect().height > 3 && s.getBoundingClientRect().width > 600)""")
    assert browser.ask("getComputedStyle(document.querySelector('#coverage-strip rect')).fill") == (
        browser.ask("""(() => { const e = document.createElement('i');
            e.style.color = 'var(--' + document.querySelector('#coverage-strip rect').className
                .baseVal + ')'; document.body.append(e); return getComputedStyle(e).color; })()""")
    )


def test_on_paper_and_on_a_phone(browser, page):
    browser.look(media="print", width=760)
    browser.go(page.as_uri())
    assert browser.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.ask("""[...document.querySelectorAll('figure > svg')].every(
        s => s.getBoundingClientRect().right <= innerWidth)""")
    browser.look(width=400)
    browser.go(page.as_uri())
    assert browser.ask("document.documentElement.scrollWidth") == 400  # wide things scroll inside


def test_the_strip_is_of_all_instruments():
    stretches = [Stretch(0, 50 * SECOND), Stretch(90 * SECOND, 100 * SECOND)]
    both = [series(hole=range(40, 50)), series(hole=range(45, 50), name="b:B")]
    unit = (1000 - 4) / 60
    assert coverage_strip(both, stretches) == [
        Span(0.0, round(40 * unit, 2), "valid"),
        Span(round(40 * unit, 2), round(5 * unit, 2), "partial"),
        Span(round(45 * unit, 2), round(5 * unit, 2), "invalid"),
        Span(round(50 * unit + 4, 2), round(10 * unit, 2), "valid"),
    ]
    assert coverage_strip([], stretches) == []


LONG = "v:" + "L" * 300


def test_no_table_is_wider_than_the_paper_and_no_name_hides_it(browser, tmp_path):
    out = tmp_path / "report.html"
    with empty_session() as session:
        fill(session, (LONG, "binance-futures:BTCUSDT"))
        write_report(session, out, title="t")
    browser.look(media="print", width=703)  # A4 less the margins
    browser.go(out.as_uri())
    assert browser.ask("document.documentElement.scrollWidth") == 703
    browser.look()
    browser.go(out.as_uri())
    assert browser.ask("""Math.max(...[...document.querySelectorAll('#coverage table')].map(
        e => e.getBoundingClientRect().width))""") < 1_300
    browser.look(width=400)
    assert browser.ask("""Math.max(...[...document.querySelectorAll('caption span')].map(
        e => e.getBoundingClientRect().right))""") <= 400
