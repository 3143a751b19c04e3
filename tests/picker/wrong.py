"""EPP configurations with one mistake each, and the reaction of the real EPP."""

import copy
from collections.abc import Callable
from typing import Any

from components.config.vocabulary import Preset, ReleaseName
from components.releases import RELEASES

Document = dict[str, Any]
Mistake = Callable[[Document], Any]

REFUSES, REMARKS, SILENT = "refuses", "takes it with a remark in its log", "takes it silently"


def _plugin(document: Document, name: str) -> Document:
    [found] = [each for each in document["plugins"] if each["type"] == name]
    assert isinstance(found, dict)
    return found


def _profile(document: Document, role: str) -> list[Document]:
    [found] = [each["plugins"] for each in document["schedulingProfiles"] if each["name"] == role]
    assert isinstance(found, list)
    return found


def _without(name: str) -> Mistake:
    def mistake(document: Document) -> None:
        document["plugins"].remove(_plugin(document, name))
        for profile in document["schedulingProfiles"]:
            profile["plugins"] = [each for each in profile["plugins"] if each["pluginRef"] != name]

    return mistake


def _parameters(name: str, **given: Any) -> Mistake:
    return lambda document: _plugin(document, name).update(parameters=given)


def _swapped(document: Document) -> None:
    for role, filtered in (("prefill", "decode-filter"), ("decode", "prefill-filter")):
        _profile(document, role)[0]["pluginRef"] = filtered


def _late(document: Document) -> None:
    decider = _plugin(document, "prefix-based-pd-decider")
    document["plugins"].remove(decider)
    document["plugins"].append(decider)


def _renamed(document: Document) -> None:
    document["schedulingProfiles"][1]["name"] = "decoding"


OLD, NEW = "0.4", "0.6"
MISTAKES: dict[str, tuple[str, Mistake, str, str]] = {
    # found at no start of the real picker; only legs show them
    "filters swapped": (NEW, _swapped, "schedulingProfiles[0].plugins", SILENT),
    "filters swapped, 0.4": (OLD, _swapped, "schedulingProfiles[0].plugins", SILENT),
    "misspelt number": (
        NEW,
        _parameters("prefix-based-pd-decider", nonCachedTokenz=16),
        "plugins[6].parameters.nonCachedTokenz",
        REMARKS,
    ),
    "misspelt number, 0.4": (
        OLD,
        _parameters("pd-profile-handler", treshold=200, hashBlockSize=5),
        "plugins[6].parameters.treshold",
        SILENT,
    ),
    "number of the other release": (
        NEW,
        _parameters("disagg-profile-handler", threshold=0, hashBlockSize=5),
        "plugins[7].parameters.deciders.prefill",
        REMARKS,
    ),
    "a number that means never": (
        NEW,
        _parameters("prefix-based-pd-decider", nonCachedTokens=0),
        "plugins[6].parameters.nonCachedTokens",
        REMARKS,
    ),
    "no gate": (NEW, lambda document: document.pop("featureGates"), "featureGates", SILENT),
    "no prefix cache": (NEW, _without("prefix-cache-scorer"), "plugins[5].parameters.nonCachedTokens", SILENT),
    "no prefix cache, 0.4": (OLD, _without("prefix-cache-scorer"), "plugins[5].parameters.threshold", SILENT),
    "prefix cache for prefill only": (
        NEW,
        lambda document: _profile(document, "decode").pop(1),
        "plugins[6].parameters.nonCachedTokens",
        SILENT,
    ),
    "no headers handler": (NEW, _without("disagg-headers-handler"), "plugins", SILENT),
    "no headers handler, 0.4": (OLD, _without("prefill-header-handler"), "plugins", SILENT),
    "handler without decider": (
        NEW,
        lambda document: _plugin(document, "disagg-profile-handler").pop("parameters"),
        "plugins[7].parameters.deciders.prefill",
        REMARKS,
    ),
    "no decode profile": (NEW, lambda document: document["schedulingProfiles"].pop(1), "schedulingProfiles", SILENT),
    "no prefill profile": (NEW, lambda document: document["schedulingProfiles"].pop(0), "schedulingProfiles", SILENT),
    "renamed profile": (NEW, _renamed, "schedulingProfiles[1].name", SILENT),
    # found by the real picker, too, but not before it runs
    "no decider": (
        NEW,
        _without("prefix-based-pd-decider"),
        "plugins[6].parameters.deciders.prefill",
        REFUSES,
    ),
    "decider after its handler": (NEW, _late, "plugins[6].parameters.deciders.prefill", REFUSES),
    "negative number": (
        NEW,
        _parameters("prefix-based-pd-decider", nonCachedTokens=-1),
        "plugins[6].parameters.nonCachedTokens",
        REFUSES,
    ),
    "negative number, 0.4": (
        OLD,
        _parameters("pd-profile-handler", threshold=-1, hashBlockSize=5),
        "plugins[6].parameters.threshold",
        REFUSES,
    ),
    "number as text": (
        NEW,
        _parameters("prefix-based-pd-decider", nonCachedTokens="16"),
        "plugins[6].parameters.nonCachedTokens",
        REFUSES,
    ),
    "unknown plugin": (
        NEW,
        lambda document: document["plugins"].append({"type": "queue-score"}),
        "plugins[8].type",
        REFUSES,
    ),
    "plugin of the newer release": (
        OLD,
        lambda document: _plugin(document, "prefill-header-handler").update(type="disagg-headers-handler"),
        "plugins[0].type",
        REFUSES,
    ),
    "plugin listed twice": (
        NEW,
        lambda document: document["plugins"].append({"type": "queue-scorer"}),
        "plugins[8]",
        REFUSES,
    ),
    "reference to nothing": (
        NEW,
        lambda document: _profile(document, "decode").append({"pluginRef": "nope"}),
        "schedulingProfiles[1].plugins[4].pluginRef",
        REFUSES,
    ),
    "profile listed twice": (
        NEW,
        lambda document: document["schedulingProfiles"].append(document["schedulingProfiles"][0]),
        "schedulingProfiles[2].name",
        REFUSES,
    ),
    "unknown gate": (NEW, lambda document: document["featureGates"].append("nope"), "featureGates[1]", REFUSES),
    "gate of the newer release": (
        OLD,
        lambda document: document.update(featureGates=["prepareDataPlugins"]),
        "featureGates[0]",
        REFUSES,
    ),
    "weight with a fraction, 0.4": (
        OLD,
        lambda document: _profile(document, "decode")[1].update(weight=1.5),
        "schedulingProfiles[1].plugins[1].weight",
        REFUSES,
    ),
    "no profile handler": (NEW, _without("disagg-profile-handler"), "plugins", REFUSES),
    "two profile handlers": (
        NEW,
        lambda document: document["plugins"].append({"type": "single-profile-handler"}),
        "plugins",
        REFUSES,
    ),
}


def right(release: str) -> Document:
    """The configuration of selective P/D, which has all parts."""
    return RELEASES[ReleaseName(release)].picker_config(16, Preset.GUIDE).document()


def wrong(name: str) -> tuple[str, Document, str, str]:
    """Release, configuration, where our rules find the mistake, what the picker says."""
    release, mistake, path, picker = MISTAKES[name]
    document = copy.deepcopy(right(release))
    mistake(document)
    assert document != right(release)
    return release, document, path, picker
