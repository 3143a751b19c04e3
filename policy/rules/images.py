"""Images that are the same tomorrow."""

import re
from collections.abc import Iterator

from policy.rule import Object, ObjectRule, Violation
from policy.workloads import pods

FIXED = re.compile(r"\d+\.\d+\.\d+|(^|[^0-9a-z])[0-9a-f]{7,40}($|[^0-9a-z])|\d{4}-?\d{2}-?\d{2}")
"""Tags that do not move: a whole version, a commit, a date. `v0.6` and `latest` move."""


def _check(subject: Object) -> Iterator[Violation]:
    for each in pods(subject):
        for container in each.containers():
            image = str(container.spec.get("image") or "")
            wrong = _floating(image)
            if wrong:
                yield Violation(
                    f"{container.place}.image",
                    f"{image!r} {wrong}",
                    "name a whole version (such as v0.6.0), a commit, a date or a digest: serving.prefill.image, "
                    "serving.decode.image, serving.decode.sidecar.image, serving.routing.image, serving.gateway.image",
                )


def _floating(image: str) -> str | None:
    name, _, digest = image.partition("@")
    if digest:
        return None
    tag = name.rpartition("/")[2].partition(":")[2]
    if not tag:
        return "has no tag, which means latest"
    return None if FIXED.search(tag) else "has a tag that is moved from image to image"


RULE = ObjectRule(
    name="pinned-images",
    must="Every container's image has a digest, or a tag that is not moved.",
    outcome="a pod that restarts tonight could run another program than the one that was tested, without a diff",
    check=_check,
)
