"""Questions to an API server and its answers, as plain data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]
"""A Kubernetes object as JSON."""


class Unreachable(Exception):
    """The cluster cannot be asked; the text says why."""


@dataclass(frozen=True)
class Question:
    """A request that changes nothing: GET, POST of a review that is answered and not kept, or a dry run."""

    path: str
    body: str = ""
    """JSON of a review, or of an object for a dry run."""
    apply: bool = False
    """Whether the object is applied server-side, and not created."""
    metadata_only: bool = False
    """Whether to read only the metadata of an object or of a list's items: the answer is smaller, and it has no data of
    a Secret."""
    kept: Callable[[Object], Object] | None = None
    """For a long list, read in pages (`limit` in the path): returns the part of an item that is kept."""


@dataclass(frozen=True)
class Answer:
    """HTTP status and the JSON that came with it."""

    code: int
    """0: the server did not answer in time."""
    body: Object = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.code < 300

    @property
    def missed(self) -> bool:
        """Whether there is no answer, though the server answers other questions."""
        return self.code == 0

    @property
    def absent(self) -> bool:
        return self.code == 404

    @property
    def why(self) -> str:
        """The server's own words for a refusal."""
        return str(self.body.get("message") or f"HTTP {self.code}")

    @property
    def items(self) -> list[Object]:
        return list(self.body.get("items") or [])
