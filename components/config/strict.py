"""The base of every settings class."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Strict(BaseModel):
    """Camel-case keys as in Kubernetes, no unknown key, no coercion, frozen.

    Attribute docstrings are the documentation. Only `schema` reads them, so that they cost a preview no time. The
    default of a section is `Section.model_construct()`: `Section()` would build a validator that nothing else uses.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        defer_build=True,  # pydantic then builds one validator for the whole model, and none for each class
    )
