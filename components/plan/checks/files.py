"""Volumes of the tiers, against what the program and the device plugins mount."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from components.config.problem import Problem
from components.config.tiers import Tier
from components.config.vocabulary import Role
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

VOLUMES = ("metrics-volume", "torch-compile-cache", "shm", "model-storage")

DEVICE_FOLDER = "/dev/infiniband"
"""Where device plugins put the verbs devices that they give a container."""


def check(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """Two volumes at one place, and caches and weights where no volume is."""
    for role, resolved in tiers.items():
        tier = context.tier(role)
        taken: dict[str, str] = dict(MOUNTED)
        for path, mount_path in _mounted(role, tier):
            place = str(PurePosixPath(mount_path))
            if place in taken:
                yield Problem(
                    path,
                    mount_path,
                    f"is where another volume is mounted: {place} is decided by {taken[place]}",
                    "the API server would refuse the Deployment: mountPath must be unique",
                    "choose another mountPath",
                )
            elif hidden := _hidden(place, resolved):
                yield Problem(
                    path,
                    mount_path,
                    f"hides {hidden}",
                    "vLLM would not start without it",
                    "choose another mountPath",
                )
            taken.setdefault(place, path)
        yield from _names(tier, resolved)
        home = tier.variables.get(CACHE_VARIABLE)
        if home is not None and not _on_a_volume(resolved, home):
            yield Problem(
                f"serving.{role}.env.{CACHE_VARIABLE}",
                home,
                f"is set by the program itself to {MODEL_FOLDER}, and no volume of the tier is mounted at {home}",
                "the weights would be downloaded to the container's layer, past the volume that is there for them, and "
                "again after each restart",
                f"delete it and set serving.model.claim, or mount a volume there: serving.{role}.volumes, or hostPaths",
            )
    yield from _model(context, tiers)


def notes(context: Context, tiers: Tiers) -> Iterator[str]:
    """Downloads past the volume, and folders that hide a device plugin's devices."""
    for role, resolved in tiers.items():
        tier, device = context.tier(role), resolved.device
        found = value_of(tier.extra_args, DOWNLOAD_FLAG)
        if found and not _within(MODEL_FOLDER, str(found[1])) and not _on_a_volume(resolved, str(found[1])):
            yield (
                f"serving.{role}.extraArgs[{found[0]}] has the weights downloaded to {found[1]}, in the container's "
                f"layer: the volume for them is at {MODEL_FOLDER} (serving.model.storage or serving.model.claim)"
            )
        for path, mount_path in _mounted(role, tier):
            if device and _within(mount_path, DEVICE_FOLDER):
                yield (
                    f"{path.removesuffix('.mountPath')} covers {DEVICE_FOLDER}, where the device plugin of "
                    f"{device.resource} puts the devices of the pod (aws-samples/aws-do-eks#63): they may be hidden, "
                    "without an error; delete it unless no plugin mounts them"
                )


def _mounted(role: Role, tier: Tier) -> Iterator[tuple[str, str]]:
    """Setting and value of each mount path that a tier chooses."""
    paths = {"hostPaths": [each.mount_path for each in tier.host_paths]}
    paths["volumes"] = [each.mount_path for each in tier.volumes]
    for field, places in paths.items():
        for index, place in enumerate(places):
            yield f"serving.{role}.{field}[{index}].mountPath", place


def _hidden(place: str, resolved: ResolvedTier) -> str:
    """What vLLM needs and a volume at this place covers; empty: nothing."""
    if place == "/":
        return "the whole image"
    model = resolved.model
    if model.read_only and place != MODEL_FOLDER and _within(place, model.source):
        return f"the weights at {model.source} (serving.model.path)"
    return ""


def _names(tier: Tier, resolved: ResolvedTier) -> Iterator[Problem]:
    host = {f"host-{index}" for index in range(len(resolved.host_paths))}
    taken = {**dict.fromkeys(VOLUMES, "the program itself"), **dict.fromkeys(host, "a file of the node")}
    for index, each in enumerate(tier.volumes):
        path = f"serving.{resolved.role}.volumes[{index}].name"
        if each.name in taken:
            yield Problem(
                path,
                each.name,
                f"is the name of another volume: that of {taken[each.name]}",
                "the API server would refuse the Deployment: names of volumes must be unique",
                "choose another name",
            )
        taken.setdefault(each.name, path)


def _model(context: Context, tiers: Tiers) -> Iterator[Problem]:
    """A path as the model's name: where something is mounted, or in images of the user's own."""
    name = context.settings.model.name
    mounted = all(_on_a_volume(tier, name) or context.tier(role).image for role, tier in tiers.items())
    if name.startswith("/") and not mounted:
        yield Problem(
            "serving.model.name",
            name,
            "is a path, and nothing is mounted there in both tiers",
            "vLLM would find no folder of that name, and take it for a Hugging Face id that cannot exist",
            "mount a volume with hostPaths or volumes of both tiers, use images that hold the weights, or set "
            "serving.model.claim and serving.model.path",
        )


def _on_a_volume(tier: ResolvedTier, place: str) -> bool:
    return any(_within(folder, place) for folder in tier.mounted)


def _within(folder: str, place: str) -> bool:
    return PurePosixPath(place).is_relative_to(PurePosixPath(folder))
