"""A run as one page that needs nothing else: no request leaves it, so it can be mailed, kept and printed."""

from collections.abc import Iterator
from pathlib import Path

from bench.figures import NS_PER_MS, Check, Course, Distribution, Figure, Note
from bench.histogram import Histogram
from bench.reports import table
from bench.reports.document import Document
from bench.reports.plots import Line, linear, logarithmic, plot, shares, together
from gateway.pages import files
from gateway.pages.markup import Markup, element

OWN = Path(__file__).parent
HEADINGS = ("What", *table.HEADINGS, "Verdict")
VERDICT = 5
"""Its place among the cells of a figure."""
FAR_APART = 30.0
"""Kinds of load of which one has so many times more than another get a logarithmic scale."""


def page(document: Document) -> str:
    """Return the HTML."""
    title = "Stagedoor bench"
    main = element(
        "main",
        element("h1", title),
        element("p", _lead(document), class_="lead"),
        _summary(document),
        *(_failure(name, why) for name, why in document.failures.items()),
        *(_scenario(document, name) for name in document.scenarios),
        _held_for(document),
    )
    head = element(
        "head",
        # None of these has an end tag.
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", f"{title} · {document.began}"),
        element("style", _file(files.FOLDER / "style.css"), _file(OWN / "page.css")),
    )
    body = element("body", main, element("script", _file(OWN / "page.js")))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _file(path: Path) -> Markup:
    """Return a file of ours as it is: style and script are not escaped in HTML."""
    return Markup(path.read_text(encoding="utf-8"))


def _lead(document: Document) -> str:
    return (
        f"{', '.join(document.scenarios) or 'Nothing'} against {document.target}, "
        f"{document.began}, {document.seconds:.0f} s. Made with: {document.command}"
    )


def _summary(document: Document) -> Markup:
    verdicts = [figure.met for figure in document.figures if figure.met is not None]
    checks = [result.times for result in document.results if isinstance(result, Check)]
    facts = {
        "goals met": f"{sum(verdicts)} of {len(verdicts)}" if verdicts else "none set",
        "looked at and right": f"{sum(checks):,}",
        "scenarios that failed": str(len(document.failures)),
    }
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in facts.items()),
        class_="figures push-down",
    )


def _failure(name: str, why: str) -> Markup:
    return element("p", element("b", f"{name} failed"), why, class_="notice", data_kind="refused")


def _scenario(document: Document, name: str) -> Markup:
    results = document.of(name)
    figures = [result for result in results if isinstance(result, Figure)]
    checks = [
        element("li", f"{result.what}: {result.times:,}") for result in results if isinstance(result, Check)
    ]
    notes = [element("p", result.text, class_="hint") for result in results if isinstance(result, Note)]
    plots = list(_plots(document, name))
    save = element("button", "Save as CSV", class_="quiet-button", type="button", data_csv=f"{name}.csv")
    return element(
        "section",
        element("div", element("h2", name), save if figures else "", class_="title-row"),
        _table(name, figures) if figures else "",
        *notes,
        element("ul", *checks, class_="checks") if checks else "",
        together(plots) if plots else "",
    )


def _table(name: str, figures: list[Figure]) -> Markup:
    """Return the table of a scenario, without columns that nothing is in."""
    rows = [(figure, table.cells(figure)) for figure in figures]
    used = [number for number in range(len(HEADINGS) - 1) if any(texts[number] for _, texts in rows)]
    heads = [element("th", HEADINGS[0], scope="col")]
    heads += [element("th", HEADINGS[number + 1], scope="col", class_=_kind(number)) for number in used]
    body = []
    for figure, texts in rows:
        sorted_by = (figure.value, figure.low, figure.reference, figure.ratio, figure.goal, None)
        columns = [
            element("td", _verdict(figure) if number == VERDICT else texts[number], class_=_kind(number),
                    data_value=sorted_by[number])
            for number in used
        ]  # fmt: skip
        body.append(element("tr", element("th", figure.name, scope="row"), *columns))
    made = element("table", element("thead", element("tr", *heads)), element("tbody", *body), class_="worked")
    return element("div", made, class_="scroll", tabindex=0, role="region", aria_label=f"Figures of {name}")


def _kind(column: int) -> str | None:
    return None if column == VERDICT else "number"


def _verdict(figure: Figure) -> Markup | str:
    if figure.met is None:
        return ""
    verdict = "met" if figure.met else "missed"
    return element("span", verdict, class_=f"verdict {verdict}")


def _plots(document: Document, name: str) -> Iterator[Markup]:
    results = document.of(name)
    curves = [result for result in results if isinstance(result, Distribution) and result.histogram.count]
    if curves:
        lines = [Line(each.name, _curve(each.histogram)) for each in curves]
        values = [value for line in lines for _, value in line.points]
        highest = max(line.points[-1][0] for line in lines)
        scale = logarithmic(min(values), max(values))
        yield plot("How long it took", "share that took no longer, %", "ms", lines, shares(highest), scale)
    by_unit: dict[str, list[Course]] = {}
    for result in results:
        if isinstance(result, Course) and len(result.points) > 1:
            by_unit.setdefault(result.unit, []).append(result)
    titles = {"a second": "How many", "% of a core": "CPU", "MB": "Memory"}
    for unit, courses in by_unit.items():
        lines = [Line(each.name, each.points) for each in courses]
        tops = [max(value for _, value in line.points) for line in lines]
        far = unit == "a second" and min(tops) > 0 and max(tops) / min(tops) > FAR_APART
        least = min((value for line in lines for _, value in line.points if value > 0), default=1.0)
        y = logarithmic(least, max(tops)) if far else linear(max(tops))
        x = linear(max(line.points[-1][0] for line in lines))
        yield plot(titles.get(unit, unit), "seconds", unit, lines, x, y)


def _curve(histogram: Histogram) -> list[tuple[float, float]]:
    """Return (share, ms); of the slowest one only half is below it, or its share would be without an end."""
    highest = 1 - 0.5 / histogram.count
    return [(min(below / histogram.count, highest), value / NS_PER_MS) for value, below in histogram.steps()]


def _held_for(document: Document) -> Markup:
    facts: dict[str, object] = {
        **document.machine,
        "load average at the beginning": f"{document.load_average:.1f}",
        **document.versions,
    }
    settings = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", ", ".join(f"{k}={v}" for k, v in given.items())),
        )
        for name, given in document.settings.items()
    ]
    return element(
        "section",
        element("h2", "What it holds for"),
        element(
            "dl",
            *(element("div", element("dt", name), element("dd", value)) for name, value in facts.items()),
            class_="figures small",
        ),
        element("div", element("table", element("tbody", *settings)), class_="scroll push-down"),
    )
