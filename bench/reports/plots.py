"""Numbers as pictures: plots as SVG, without a script; pure.

Invariant: every plot says in words what it shows, has axes with units, and can be read without colour: lines
differ in their dashes too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.pages.markup import Markup, element, join

WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 12, 40
POINTS_MAX = 240
DASHES = ("none", "6 3", "2 3", "9 3 2 3", "1 4")
SHARES = (0.0, 0.9, 0.99, 0.999, 0.9999, 0.99999)
NEARLY_ALL = 0.999999


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot: its points, in order."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to places: `at` of a value is 0 at the scale's beginning and 1 at its end."""

    ticks: tuple[tuple[float, str], ...]
    at: Callable[[float], float]


def linear(highest: float, lowest: float = 0.0) -> Scale:
    """Return an even scale that ends at a round number."""
    span = max(highest - lowest, 1e-9)
    step = _round_up(span / 4)
    first = math.floor(lowest / step)
    last = math.ceil(highest / step - 1e-9)
    last = max(last, first + 1)
    ticks = tuple((number * step, _text(number * step)) for number in range(first, last + 1))
    begin, length = first * step, (last - first) * step
    return Scale(ticks, lambda value: (value - begin) / length)


def logarithmic(lowest: float, highest: float) -> Scale:
    """Return a scale by powers of ten."""
    first = math.floor(math.log10(max(lowest, 1e-4)))
    last = max(math.ceil(math.log10(max(highest, 1e-4)) - 1e-9), first + 1)
    ticks = tuple((10.0**power, _text(10.0**power)) for power in range(first, last + 1))
    return Scale(ticks, lambda value: (math.log10(max(value, 10.0**first)) - first) / (last - first))


def shares(highest: float) -> Scale:
    """Return the scale of percentiles that gives each further nine as much room (as HdrHistogram does)."""
    ticks = [share for share in SHARES if share <= highest] or [0.0]
    end = max(_nines(highest), 1.0)
    names = tuple((share, f"{100 * share:.10g}") for share in ticks)
    return Scale(names, lambda share: min(_nines(share) / end, 1.0))


def plot(title: str, x_name: str, y_name: str, lines: Sequence[Line], x: Scale, y: Scale) -> Markup:
    """Return a figure with its caption and, for more than one line, a legend."""
    body = [
        *_grid(x, y),
        *(_path(number, line, x, y) for number, line in enumerate(lines)),
        element(
            "text", x_name, x=LEFT + _inner_width() / 2, y=HEIGHT - 4, class_="axis", text_anchor="middle"
        ),
    ]
    legend = [
        element(
            "li",
            element(
                "svg",
                element(
                    "line", x1=0, x2=24, y1=5, y2=5, class_=f"line line-{number % len(DASHES)}",
                    stroke_dasharray=DASHES[number % len(DASHES)],
                ),
                viewBox="0 0 24 10", width=24, height=10, aria_hidden="true",
            ),
            f" {line.name}",
        )
        for number, line in enumerate(lines)
    ]  # fmt: skip
    return element(
        "figure",
        element("figcaption", element("b", title), element("span", y_name, class_="hint")),
        element(
            "svg", *body, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=_told(title, y_name, lines),
            tabindex=0, class_="chart", data_x=x_name, data_y=y_name,
        ),
        element("p", class_="told", aria_live="polite"),
        element("ul", *legend, class_="legends") if len(lines) > 1 else "",
    )  # fmt: skip


def _grid(x: Scale, y: Scale) -> list[Markup]:
    made = []
    for value, name in y.ticks:
        at = _y(y.at(value))
        made.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
        made.append(element("text", name, x=LEFT - 6, y=at + 4, class_="tick", text_anchor="end"))
    for value, name in x.ticks:
        at = _x(x.at(value))
        made.append(element("line", x1=at, x2=at, y1=HEIGHT - BOTTOM, y2=HEIGHT - BOTTOM + 4, class_="grid"))
        anchor = "end" if at > WIDTH - 24 else "middle"
        made.append(element("text", name, x=at, y=HEIGHT - BOTTOM + 16, class_="tick", text_anchor=anchor))
    return made


def _path(number: int, line: Line, x: Scale, y: Scale) -> Markup:
    points = _thinned(line.points)
    places = [(round(_x(x.at(at)), 1), round(_y(y.at(value)), 1)) for at, value in points]
    told = ";".join(
        f"{left}|{top}|{_text(at, 6)}|{_text(value)}"
        for (left, top), (at, value) in zip(places, points, strict=True)
    )
    return element(
        "polyline", points=" ".join(f"{left},{top}" for left, top in places),
        class_=f"line line-{number % len(DASHES)}", stroke_dasharray=DASHES[number % len(DASHES)],
        data_name=line.name, data_points=told,
    )  # fmt: skip


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Leave out points that nobody could tell apart; the last stays."""
    step = -(-len(points) // POINTS_MAX)
    return points if step <= 1 else [*points[:-1:step], points[-1]]


def _told(title: str, y_name: str, lines: Sequence[Line]) -> str:
    said = [f"{title}, {y_name}."]
    for line in lines:
        values = [value for _, value in line.points]
        if values:
            said.append(f"{line.name}: from {_text(min(values))} to {_text(max(values))}.")
    return " ".join(said)


def _inner_width() -> float:
    return WIDTH - LEFT - RIGHT


def _x(share: float) -> float:
    return round(LEFT + share * _inner_width(), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM), 1)


def _nines(share: float) -> float:
    return -math.log10(1 - min(share, NEARLY_ALL))


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999)


def _text(value: float, digits: int = 3) -> str:
    """Return a number with so many digits that count, without an exponent."""
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def together(parts: Sequence[Markup]) -> Markup:
    """Return plots side by side as far as there is room."""
    return element("div", join(parts), class_="plots")
