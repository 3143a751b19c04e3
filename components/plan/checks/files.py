"""Files and folders of the node, against what the program and the device plugins mount."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from components.config.problem import Problem
from components.plan.context import Context
from components.plan.worker_args import ResolvedTier
from components.plan.workers import MODEL_FOLDER, Tiers
from components.releases.vllm import CACHE_VARIABLE, DOWNLOAD_FLAG, value_of

MOUNTED: Mapping[str, str] = {
    MODEL_FOLDER: "serving.model (storage, claim and path)",
    "/dev/shm": "the tier's shmSize",
    "/.cache": "nothing: it is an emptyDir for compiled code",
    "/.config": "nothing: it is an emptyDir",
}
"""Where the program mounts volumes of its own (`components/pods/volumes.py`), and what decides them."""

DEVICE_FOLDER = "/dev/infiniband"
"""Where device plugins put the verbs devices that they give a container."""


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Two volumes at one place, and caches and weights where no volume is."""
    for role, resolved in tiers.items():
        tier = context.tier(role)
        taken: dict[str, str] = dict(MOUNTED)
        for index, each in enumerate(tier.host_paths):
            path = f"serving.{role}.hostPaths[{index}].mountPath"
            place = str(PurePosixPath(each.mount_path))
            if place in taken:
                yield Problem(
                    path,
                    each.mount_path,
                    f"is where another volume is mounted: {place} is decided by {taken[place]}",
                    "the API server would refuse the Deployment: mountPath must be unique",
                    "choose another mountPath",
                )
            taken.setdefault(place, path)
        home = tier.variables.get(CACHE_VARIABLE)
        if home is not None and not _on_a_host_path(resolved, home):
            yield Problem(
                f"serving.{role}.env.{CACHE_VARIABLE}",
                home,
                f"is set by the program itself to {MODEL_FOLDER}, and no hostPaths of the tier is mounted at {home}",
                "the weights would be downloaded to the container's layer, past the volume that is there for them, and "
                "again after each restart",
                f"delete it and set serving.model.claim, or mount a folder of the node there: serving.{role}.hostPaths",
            )
    yield from _model(context, tiers)


def notes(context: Context, tiers: Tiers) -> Iterator[str]:
    """Downloads past the volume, and folders that hide a device plugin's devices."""
    for role, resolved in tiers.items():
        tier, device = context.tier(role), resolved.device
        found = value_of(tier.extra_args, DOWNLOAD_FLAG)
        if found and not _within(MODEL_FOLDER, str(found[1])) and not _on_a_host_path(resolved, str(found[1])):
            yield (
                f"serving.{role}.extraArgs[{found[0]}] has the weights downloaded to {found[1]}, in the container's "
                f"layer: the volume for them is at {MODEL_FOLDER} (serving.model.storage or serving.model.claim)"
            )
        for index, each in enumerate(tier.host_paths):
            if device and _within(each.mount_path, DEVICE_FOLDER):
                yield (
                    f"serving.{role}.hostPaths[{index}] covers {DEVICE_FOLDER}, where the device plugin of "
                    f"{device.resource} puts the devices of the pod (aws-samples/aws-do-eks#63): they may be hidden, "
                    "without an error; delete it unless no plugin mounts them"
                )


def _model(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """A path as the model's name: where something is mounted, or in images of the user's own."""
    name = context.settings.model.name
    mounted = all(_on_a_host_path(tier, name) or context.tier(role).image for role, tier in tiers.items())
    if name.startswith("/") and not mounted:
        yield Problem(
            "serving.model.name",
            name,
            "is a path, and nothing is mounted there in both tiers",
            "vLLM would find no folder of that name, and take it for a Hugging Face id that cannot exist",
            "mount the nodes' folder with hostPaths of both tiers, use images that hold the weights, or set "
            "serving.model.claim and serving.model.path",
        )


def _on_a_host_path(tier: ResolvedTier, place: str) -> bool:
    return any(_within(each.mount_path, place) for each in tier.host_paths)


def _within(folder: str, place: str) -> bool:
    """Whether a path is a folder, or in it."""
    return PurePosixPath(place).is_relative_to(PurePosixPath(folder))
