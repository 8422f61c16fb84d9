"""The page of a run: all of it there, nothing fetched, nothing that a name could break."""

from html.parser import HTMLParser

from bench.reports.page import page
from tests.bench.reports.documents import document, results


class Reader(HTMLParser):
    """Collects what a page shows and what it would fetch, and that every element ends."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.fetches: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetches += [value or "" for name, value in attrs if name in {"src", "href", "action", "poster"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.texts.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def test_all_of_a_run_is_there_and_nothing_is_fetched() -> None:
    html = page(document())
    reader = read(html)
    text = " ".join(reader.texts)

    assert reader.open == []
    assert reader.fetches == []
    assert "url(" not in html
    assert "import " not in html
    for said in ("2 of 3", "12,000", "CPU <meanwhile>", "met", "missed", "How long it took", "viewers=1000",
                 "python", "stagedoor bench fanout", "every frame once"):  # fmt: skip
        assert said in text, said


def test_a_scenario_that_failed_is_said() -> None:
    assert "soak failed" in " ".join(read(page(document(failures={"soak": "it <grew>"}))).texts)
    assert "<grew>" not in page(document(failures={"soak": "it <grew>"}))


def test_columns_that_nothing_is_in_are_left_out() -> None:
    (held,) = (result for result in results() if result.scenario == "hold")
    assert "Beside" not in " ".join(read(page(document(held))).texts)


def test_nothing_measured_is_a_page_too() -> None:
    text = " ".join(read(page(document(failures={"connect": "nobody was let in"}, results=()))).texts)
    assert "none set" in text
    assert "connect failed" in text
