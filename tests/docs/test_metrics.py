"""docs/metrics.md has every metric with its kind, labels and meaning."""

from prometheus_client.metrics import MetricWrapperBase

from gateway import metrics
from tests.docs.markdown import DOCS, ROOT, code, rows

METRICS = {name: value for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)}


def described(metric: MetricWrapperBase) -> tuple[str, str, tuple[str, ...]]:
    family = next(iter(metric.collect()))
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return name, family.type, tuple(metric._labelnames)


def test_the_page_has_every_metric() -> None:
    documented = [
        (code(name), kind, tuple(code(label) for label in labels.split(", ") if label))
        for name, kind, labels, _ in rows(DOCS / "metrics.md", "Metric", "Kind", "Labels", "Meaning")
    ]

    assert documented == [described(metric) for metric in METRICS.values()]


def test_each_meaning_begins_with_the_help_that_prometheus_shows() -> None:
    meanings = [row[3] for row in rows(DOCS / "metrics.md", "Metric", "Kind", "Labels", "Meaning")]

    for meaning, metric in zip(meanings, METRICS.values(), strict=True):
        assert meaning.startswith(f"{metric._documentation}.")


def test_every_metric_is_counted_somewhere() -> None:
    code_of_the_gateway = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "gateway").rglob("*.py")
        if path.name != "metrics.py"
    )

    assert [name for name in METRICS if name not in code_of_the_gateway] == []
