"""The base of every settings class."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Strict(BaseModel):
    """Camel-case keys as in Kubernetes, no unknown key, no coercion, frozen.

    Attribute docstrings are the docs; `schema` reads them when it writes those, so that no preview pays for it. The
    default of a section is `Section.model_construct()`: `Section()` would build a validator that nothing else uses.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        defer_build=True,  # as part of the model that is read, instead of each for itself
    )
