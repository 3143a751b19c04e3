"""The expected load of the stack, with which sizing compares the rates of the workers."""

from typing import Any, Self

from pydantic import model_validator

from components.config.fields import Count, Fraction, Positive, wrong
from components.config.strict import Strict


class Measured(Strict):
    """Rates that were measured on this stack or on one like it; they take the place of every predicted one."""

    prefill: Positive
    """Tokens of prompts per second of one prefill worker."""
    decode: Positive
    """Tokens per second of all streams of one decode worker."""


class Load(Strict):
    """The load and its targets."""

    input_tokens: Count
    """Tokens of a prompt, on average."""
    output_tokens: Count
    """Tokens of an answer, on average."""
    requests_per_second: Positive | None = None
    """Requests that arrive per second; set this or `concurrency`."""
    concurrency: Count | None = None
    """Requests at a time, each followed by the next."""
    ttft: Positive | None = None
    """Milliseconds to the first token, at most."""
    itl: Positive | None = None
    """Milliseconds per further token, at most."""
    prefix_hit_rate: Fraction = 0.0
    """Part of a prompt that a worker has cached."""
    measured: Measured | None = None
    """Measured rates of one worker of each tier."""

    @property
    def stated(self) -> dict[str, Any]:
        """What the stack file says, for the stack output; without measured rates."""
        return self.model_dump(by_alias=True, exclude_unset=True, exclude={"measured"})

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.requests_per_second is not None and self.concurrency is not None:
            raise wrong(
                "has requestsPerSecond and concurrency",
                "each follows from the other, and only one could be meant",
                "delete one of them",
            )
        return self
