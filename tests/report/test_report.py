"""The page: what it says, what it hides, what it cannot be made to do."""

import re
from html.parser import HTMLParser

import pytest

from imbalance.errors import UserError
from imbalance.report.build import write_report

HOSTILE = 'x:"><script>alert(1)</script><img src=http://a.example/y onerror=alert(2)>$_{&'


class Page(HTMLParser):
    """Tags with their attributes, and the text of the page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def written(session, tmp_path, **more):
    out = tmp_path / "report.html"
    summary = write_report(session, out, title="A market", **more)
    return out.read_text(encoding="utf-8"), summary


@pytest.fixture(scope="module")
def page(market, tmp_path_factory):
    """The page of the market and its summary, for all tests that only read them."""
    return written(market, tmp_path_factory.mktemp("page"))


def test_overview_says_what_was_ingested_and_found(page):
    html, summary = page
    text = Page(html).text
    assert (
        "One capture of one venue (3.6 MB, 52 MB of text) holds 41,234 lines: 41,000 decoded, "
        "231 left out by a named rule, 3 in quarantine." in text
    )
    assert "Of 1,200 one-second bars 1,160 (96.7 %) are valid" in text
    assert "At 2,001 book messages" in text
    assert "differ in none of them" in text
    assert summary.findings[0] == (
        "In the same 1s bar, order flow imbalance of binance-futures:BTCUSDT and its own return "
        "rise and fall together: correlation 0.71 (95 % interval 0.65 to 0.76, q < 0.001, 540 "
        "bars)."
    )
    assert summary.findings[1] == (
        "Order flow imbalance of binance-futures:BTCUSDT goes 1 bar (1 s) before its own return, "
        "in the opposite direction: correlation −0.13 (95 % interval −0.19 to −0.08, q = 0.012, "
        "540 bars)."
    )
    assert "in two of two instruments, past returns help to forecast order flow in one, both" in (
        summary.findings[2]
    )
    assert "by 0.420 bps (0.300 to 0.550) 10 bars (10 s) later" in summary.findings[3]
    for sentence in summary.findings:
        assert sentence in text
    for anchor, title in (("correlation", "Correlation"), ("feedback", "Feedback")):
        assert f'<dt><a href="#{anchor}">{title}</a></dt>' in html


def test_what_is_not_current_is_the_first_warning(market, tmp_path):
    html, summary = written(market, tmp_path, due={"features.bars_1s": 2, "book.book_states": 1})
    assert summary.warnings[0].startswith(
        "Not current when this was written: three partitions of features.bars_1s, book.book_states."
    )
    assert summary.warnings[0] in Page(html).text


def test_warnings_name_what_is_wrong(page):
    _, summary = page
    said = " ".join(summary.warnings)
    assert "Three lines of one capture could not be understood" in said
    assert "fields no rule knows: zz" in said
    assert ("in valid 1 s bars of binance-futures:BTCUSDT 10.4 %, binance:BTCUSDT 9.7 %: a level"
            in said)
    assert "Not current" not in said
    assert "behind the exchange's by at least 1.27 s" in said
    assert "binance-futures:BTCUSDT 93.3 %" in said
    assert "chain of update ids broke twice, 80 s without a valid book in all" in said
    assert "Of binance-futures:BTCUSDT 1,007 trades are missing in two holes of the ids, " in said
    assert "of the ids, over 12 s: trade measures are null there" in said
    assert "those with trades have ended or not begun (binance-futures:BTCUSDT 90 s)" in said
    assert "3 rows of the studies hold a reason in place of an estimate: too few bars" in said
    assert "autocorrelated (portmanteau p < 0.01) in two of two fitted systems" in said


def test_insignificant_cells_are_masked_and_refused_ones_marked(page):
    html, _ = page
    heat = html[html.index('<g id="heat-0-figure_1">') :].split("</svg>")[0]
    shown = re.findall(r"<title>(.*?)</title>", heat)
    assert len(shown) == 8
    assert not [words for words in shown if "0.020" in words or ": 0.02" in words]
    assert shown[0].startswith("binance-futures:BTCUSDT → binance-futures:BTCUSDT, 1s, lag 0: 0.71")
    assert "Refused: three rows, too few bars: fewer valid bars than the family demands." in html
    assert "Panels in which everything was refused are left out." in html


def test_significance_is_decided_by_q_alone(session, tmp_path, store_rows):
    estimate = store_rows["estimate"]
    store_rows["insert"](session, "studies.correlation", [
        estimate("a:A", "a:B", lag, 0.4, q, p_value=0.001) for lag, q in ((0, 0.0501), (1, 0.3))
    ])
    html, summary = written(session, tmp_path)
    assert summary.findings[0] == (
        "No correlation is significant (q ≤ 0.05 over each declared family)."
    )
    assert "None of 2 correlations is significant (q &gt; 0.05)." in html
    assert "heat-0" not in html


def test_refused_study_shows_its_reason_and_no_chart(session, tmp_path, store_rows):
    refusal = store_rows["refusal"]
    store_rows["insert"](session, "studies.correlation",
                         [refusal("a:A", "a:B", lag, "constant_series") for lag in range(4)])
    html, summary = written(session, tmp_path)
    text = Page(html).text
    reason = "four rows, constant series: the measure does not vary over the bars used."
    assert f"Refused: {reason}" in text
    assert summary.charts == 0
    assert "<svg" not in html


def test_empty_session_is_told_not_drawn(session, tmp_path):
    html, summary = written(session, tmp_path)
    text = Page(html).text
    assert "Nothing has been ingested. There are no bars." in text
    assert "There is no correlation study in this session" in text
    assert "No study has been run." in text
    assert summary.findings == summary.warnings == ()
    assert "There is nothing to warn of." in text


@pytest.mark.parametrize("layer", ["raw", "book", "features", "studies"])
def test_session_without_a_layer(filled, tmp_path, layer):
    filled.execute(f"drop schema {layer} cascade")
    html, summary = written(filled, tmp_path, generation="g-1")
    assert "generation <code>g-1</code>" in html
    assert summary.size_bytes > 10_000
    if layer == "raw":
        assert "reads a published generation, which has no raw layer" in html
    if layer == "studies":
        assert "There are no impulse responses: the feedback study has not been run." in html


def test_hostile_symbol_is_inert(session, tmp_path, store_rows):
    store_rows["fill"](session, (HOSTILE, "b:B"))
    html, summary = written(session, tmp_path, generation=HOSTILE)
    page = Page(html)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE in page.text
    assert HOSTILE in summary.instruments
    # It stays whole in the charts too: no mathematics is read out of its dollar sign.
    assert any(HOSTILE[:20] in words for words in page.words)


def test_page_asks_for_nothing(page):
    html, _ = page
    assert "http:" not in html
    assert "https:" not in html
    parsed = Page(html)
    assert not {"link", "script", "iframe", "object", "embed", "base"} & set(parsed.tags)
    links = [value for _, name, value in parsed.attributes if name in {"src", "href"}]
    assert all(value.startswith("#") for value in links)
    assert re.search(r"default-src 'none'; style-src 'unsafe-inline'; img-src data:", html)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_every_reference_within_the_page_leads_somewhere(page):
    html, _ = page
    attributes = Page(html).attributes
    ids = [value for _, name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {v[1:] for _, name, v in attributes if name == "href" and v.startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", html))
    assert wanted <= set(ids)


def test_the_same_session_gives_the_same_bytes(page, market, tmp_path):
    assert written(market, tmp_path)[0] == page[0]


def test_size_stays_bounded(session, tmp_path, store_rows):
    """No chart grows with the number of bars, however ragged they are."""
    for number in range(3):
        rows = store_rows["bars"](f"v:I{number}", seconds=5_000, seed=number,
                                  poisoned=set(range(0, 5_000, 7)))
        store_rows["insert"](session, "features.bars_1s", rows)
    _, summary = written(session, tmp_path)
    assert summary.charts == 3
    assert summary.size_bytes < 350_000


def test_ledger_sequence_is_shown(filled, tmp_path):
    filled.execute("set variable ledger_sequence = 4711")
    assert "ledger sequence 4711" in Page(written(filled, tmp_path)[0]).text


def test_unwritable_path_is_a_message(filled, tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*nowhere.*: No such file") as caught:
        write_report(filled, tmp_path / "nowhere" / "report.html", title="A market")
    assert caught.value.exit_code == 2
    assert caught.value.where == "OUT.html"
    assert list(tmp_path.iterdir()) == []


def test_an_instrument_without_a_book_gets_no_empty_axes(session, tmp_path, store_rows):
    bare = {f"mid_{name}": None for name in ("open", "close", "low", "high")} | {
        "order_flow_imbalance": None, "valid": False, "poisoned": True}
    store_rows["insert"](session, "features.bars_1s", [
        row | bare for row in store_rows["bars"]("v:NOBOOK", seconds=30)])
    html, summary = written(session, tmp_path)
    assert summary.charts == 0
    assert '<p class="refused">Its bars have neither price nor flow.</p>' in html


def test_one_refusal_is_one_row_and_events_are_no_bars(session, tmp_path, store_rows):
    store_rows["insert"](session, "studies.correlation", [
        store_rows["refusal"]("a:A", "a:B", 0, "constant_series"),
        store_rows["estimate"]("a:A", "a:C", 0, 0.4, 0.2, n=40, bar_size="10s")])
    _, summary = written(session, tmp_path)
    assert summary.warnings == (
        "1 row of the studies holds a reason in place of an estimate: constant series.",
        "Some estimates (10s) rest on fewer than 100 observations, the fewest on 40.")


def test_a_study_without_any_estimate_is_not_said_to_have_tested(session, tmp_path, store_rows):
    store_rows["insert"](session, "studies.correlation", [
        store_rows["refusal"]("a:A", "a:B", 0, "constant_series")])
    assert written(session, tmp_path)[1].findings == ("No correlation could be estimated.",)
