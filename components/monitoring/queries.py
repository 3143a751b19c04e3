"""PromQL about one install. Every selector names its namespace and pool, so that installs never mix."""

from dataclasses import dataclass

WINDOW = "5m"
"""What rates are taken over: ten scrapes of a worker by default, so that a missed one does not show."""


@dataclass(frozen=True)
class Series:
    """The series of one install, by the labels that its monitors put on them."""

    namespace: str
    pool: str

    def of(self, metric: str, window: str = "", **labels: str) -> str:
        """A selector; with `window`, of that much past."""
        given = {"namespace": self.namespace, "pool": self.pool, **labels}
        matchers = ", ".join(f'{name}="{value}"' for name, value in given.items())
        return f"{metric}{{{matchers}}}" + (f"[{window}]" if window else "")

    def rate(self, counter: str, *by: str, window: str = WINDOW, **labels: str) -> str:
        """A counter's increase per second, summed up, for each value of the labels `by`."""
        return f"sum{_by(by)}(rate({self.of(counter, window, **labels)}))"

    def quantile(self, share: float, histogram: str, **labels: str) -> str:
        """What that share of a histogram's observations stays below."""
        return f"histogram_quantile({share}, {self.rate(f'{histogram}_bucket', 'le', **labels)})"

    def gauge(self, how: str, metric: str, *by: str, **labels: str) -> str:
        """A gauge put together by `sum`, `avg` or `max`, for each value of the labels `by`."""
        return f"{how}{_by(by)}({self.of(metric, **labels)})"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)}) " if labels else ""
