"""Labels that would hide the workers from what finds them by label."""

from collections.abc import Iterator

from components.config.problem import Problem
from components.config.vocabulary import Role
from components.plan.context import Context


def check(context: Context) -> Iterator[Problem]:
    """Labels of a tier that the program itself sets."""
    settings = context.settings
    for role in Role:
        own = context.names.worker_labels(role, settings.accelerator.value, settings.model.name)
        for key, value in context.tier(role).labels.items():
            if key in own:
                yield Problem(
                    f'serving.{role}.labels["{key}"]',
                    value,
                    "is set by the program itself",
                    "the InferencePool, the endpoint picker and the Deployment find the workers by this label",
                    f"delete it; its value is {own[key]}",
                )
