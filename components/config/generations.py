"""How a change of the workers reaches clients: in place, or by a second generation beside the first."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from components.config.fields import Count, ObjectName, null_word
from components.config.strict import Strict
from components.config.vocabulary import ChangeStrategy


class Trial(Strict):
    """Requests that a Job sends to a generation before the route leads to it."""

    header: str = Field(default="x-llm-d-generation", pattern=r"^[a-z0-9-]{1,64}$")
    """Header of the requests that only the new generation gets; its value is the generation's word, or `-` for the
    empty word."""
    requests: Count = 8
    """How many requests, with 8 tokens of answer each."""
    max_errors: Annotated[int, Field(ge=0)] = 0
    """How many of them may fail."""
    prompt: str | None = Field(default=None, min_length=1)
    """Text of the prompts; each begins with another number. Default: more words than `routing.selectivePd` asks for."""
    url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+(/\S*)?$")
    """Base URL that the Job asks, without `/v1`; default: the gateway's Service inside the cluster."""
    headers: dict[str, str] = {}
    """Further headers of the requests, such as one that a policy of the gateway requires. No secrets."""
    ca_secret: ObjectName | None = None
    """Secret with the key `ca.crt`, which verifies the certificate of an https `url`. Unset: it is not verified."""


class Generations(Strict):
    """A generation is both tiers with their endpoint picker and pool. The Gateway and its route stay (changes.md)."""

    generation: str = Field(default="", pattern=r"^([a-z0-9]{1,8})?$")
    """The generation's word, part of the names of its objects; 1 to 8 of a-z and 0-9. Another word than that of the
    running generation makes a second one beside it, leads the route to it once it is Ready, and deletes the old one.
    Both need their GPUs meanwhile. Empty: the names have the postfix alone."""
    strategy: ChangeStrategy = ChangeStrategy.IN_PLACE
    """`inPlace`: a change replaces the workers of the running generation, and the preview says the cost. `blueGreen`: a
    preview refuses a change that restarts a worker which serves, unless `generation` has another word."""
    trial: Annotated[Trial | None, BeforeValidator(null_word)] = None
    """Ask the new generation before it serves: `{}` for the defaults. If the trial fails, `up` fails, and the old
    generation serves. null: a generation serves as soon as its workers are Ready, whatever they answer."""
    settle: Annotated[int, Field(ge=0)] | None = None
    """Seconds in which every answer on a new connection must come from the new generation, before the old one is
    deleted; default: the gateway provider's (gateways.md). 0: the old one is deleted at once, and requests may fail."""
