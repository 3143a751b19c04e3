"""The endpoint picker's rule for prompts that a prefill worker computes first, read from its configuration."""

from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class Rule:
    """Prompts of `at_least` uncached units or more go to a prefill worker first; None = no prompt does."""

    at_least: int | None
    unit: str = "characters"

    def __str__(self) -> str:
        if self.at_least is None:
            return "never"
        return f"prompts of at least {self.at_least} uncached {self.unit}" if self.at_least else "every prompt"


ALWAYS, NEVER = Rule(0), Rule(None)


def of(text: str) -> Rule | None:
    """Read an EndpointPickerConfig of an EPP; None if it is none. v0.4 has a threshold in characters, newer deciders.

    0 means "always" in v0.4 and "never" since v0.7. Entries that an EPP ignores silently are ignored here, too.
    """
    try:
        return _read(yaml.safe_load(text))
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        return None  # another shape, which the picker itself refuses


def _read(document: Any) -> Rule:
    plugins = {one["type"]: one.get("parameters") or {} for one in document.get("plugins") or []}
    names = {one.get("name", one["type"]): one["type"] for one in document.get("plugins") or []}
    if "disagg-profile-handler" in plugins:
        chosen = names.get((plugins["disagg-profile-handler"].get("deciders") or {}).get("prefill", ""))
        return _decided(chosen, plugins, document)
    if "pd-profile-handler" in plugins:
        parameters = plugins["pd-profile-handler"]
        if "deciderPluginName" in parameters:
            return _decided(names.get(parameters["deciderPluginName"]), plugins, document)
        return Rule(int(parameters.get("threshold", 0)))
    return NEVER


def _decided(decider: str | None, plugins: dict[str, Any], document: Any) -> Rule:
    if decider == "always-disagg-pd-decider":
        return ALWAYS
    tokens = int(plugins.get("prefix-based-pd-decider", {}).get("nonCachedTokens", 0))
    if str(document.get("apiVersion")).startswith("llm-d.ai/"):
        # It makes the producer that a scorer or filter reads (llm-d-router v0.10.0 `CreateMissingDataProducers`).
        sees_caches = any("prefix-cache" in one for one in plugins)
    else:
        sees_caches = "prepareDataPlugins" in (document.get("featureGates") or []) and "prefix-cache-scorer" in plugins
    if decider == "prefix-based-pd-decider" and tokens > 0 and sees_caches:
        return Rule(tokens, "tokens")
    return NEVER


def prompt_size(rule: Rule, longest: int | None) -> int:
    """Return the words that a test prompt needs so that the rule sends it to a prefill worker.

    A word is six random hexadecimal digits and a blank: 7 characters, so 1.75 of the picker's tokens (characters / 4)
    and at most 6 of the model's. `longest` is the model's context in tokens: the prompt stays below it.
    """
    wanted = max(60, (rule.at_least or 0) if rule.unit == "tokens" else (rule.at_least or 0) // 5)
    return wanted if longest is None else max(1, min(wanted, (longest - 64) // 6))


def applies(rule: Rule, prompt: str) -> bool:
    """Whether the rule sends an uncached prompt to a prefill worker."""
    if rule.at_least is None:
        return False
    size = len(prompt) / 4 if rule.unit == "tokens" else len(prompt)
    return rule.at_least == 0 or size >= rule.at_least
