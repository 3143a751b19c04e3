"""How a change of the workers reaches clients: in place, or by a second generation beside the first."""

from pydantic import Field

from components.config.strict import Strict
from components.config.vocabulary import ChangeStrategy


class Generations(Strict):
    """A generation is both tiers with their endpoint picker and pool. The Gateway and its route stay (changes.md)."""

    generation: str = Field(default="", pattern=r"^([a-z0-9]{1,8})?$")
    """The generation's word, part of the names of its objects; 1 to 8 of a-z and 0-9. Another word than that of the
    running generation makes a second one beside it, leads the route to it once it is Ready, and deletes the old one.
    Both need their GPUs meanwhile. Empty: the names have the postfix alone."""
    strategy: ChangeStrategy = ChangeStrategy.IN_PLACE
    """`inPlace`: a change replaces the workers of the running generation, and the preview says the cost. `blueGreen`: a
    preview refuses a change that restarts a worker which serves, unless `generation` has another word."""
