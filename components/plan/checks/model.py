"""Where the weights come from, and with which token."""

from collections.abc import Iterator

from components.config.problem import Hidden, Problem
from components.config.vocabulary import Role
from components.plan.context import Context
from components.releases.vllm import BLOCK_SIZES


def check(context: Context, *, token_given: bool) -> Iterator[Problem]:
    """Weights that no pod could load."""
    settings, model = context.settings, context.settings.model
    if model.path is not None and model.claim is None:
        yield Problem(
            "serving.model.path",
            model.path,
            "is a folder of a claim, and serving.model.claim is not set",
            "vLLM would look for weights in an empty folder and stop at start",
            "set serving.model.claim to the PersistentVolumeClaim that holds them, or delete path",
        )
    if model.claim is not None and "storage" in model.model_fields_set:
        yield Problem(
            "serving.model.storage",
            model.storage,
            "is the size of an emptyDir, and serving.model.claim takes its place",
            "it would be ignored silently",
            "`pulumi config rm --path serving.model.storage`: the claim has its own size",
        )
    further = [
        (f"serving.{role}.volumes[{index}].claim", each.claim, "PersistentVolumeClaim")
        for role in Role
        for index, each in enumerate(context.tier(role).volumes)
    ]
    for path, given, kind in (
        ("serving.model.claim", model.claim, "PersistentVolumeClaim"),
        *further,
        ("serving.images.pullSecrets", settings.images.pull_secrets or None, "pull secret"),
    ):
        if given is not None and settings.create_namespace:
            yield Problem(
                path,
                given,
                f"is expected in the namespace {settings.namespace}, which is made by this stack",
                f"no {kind} can be in it: every worker would wait for it until the timeout",
                "make the namespace and it yourself, and set serving.createNamespace: false",
            )
    if model.block_size not in (None, *BLOCK_SIZES) and not context.own_images:
        sizes = ", ".join(map(str, BLOCK_SIZES))
        yield Problem(
            "serving.model.blockSize",
            model.block_size,
            f"is none of {sizes}, which the vLLM of the releases' images takes",
            "vLLM would stop at start: invalid choice",
            "write one of them, null for vLLM's choice, or give both tiers an image that takes it",
        )
    if token_given and model.token_secret is None:
        yield Problem(
            "hfToken",
            Hidden(),
            "is set, and serving.model.tokenSecret: null says that none is needed",
            "the token would be kept in the state for nothing",
            "`pulumi config rm hfToken`, or delete serving.model.tokenSecret",
        )
    if context.token_secret and not token_given and settings.create_namespace:
        yield Problem(
            "hfToken",
            Hidden(),
            f"is not set, and the namespace {settings.namespace} is made by this stack",
            f"no Secret {context.token_secret} can be in it: every worker would wait for it until the timeout",
            "`pulumi config set --secret hfToken`; or serving.model.tokenSecret: null if the model needs none; "
            "or make namespace and Secret yourself and set serving.createNamespace: false",
        )
