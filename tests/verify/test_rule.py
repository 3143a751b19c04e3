"""The picker's rule for prompts, from configurations that the program renders and from broken ones."""

import pytest
import yaml

from components.config.vocabulary import Preset
from components.releases.picker_config import EndpointPickerConfig
from components.releases.router_config import router_config as of_0_9
from components.releases.v0_4 import picker_config as of_0_4
from components.releases.v0_6 import picker_config as of_0_6
from verify import request, rule
from verify.rule import ALWAYS, NEVER, Rule


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (of_0_4(None, Preset.GUIDE), ALWAYS),
        (of_0_4(500, Preset.GUIDE), Rule(500, "characters")),
        (of_0_6(None, Preset.GUIDE), ALWAYS),
        (of_0_6(256, Preset.GUIDE), Rule(256, "tokens")),
        (of_0_9(None, Preset.GUIDE), ALWAYS),
        *((of_0_9(256, preset), Rule(256, "tokens")) for preset in Preset),
    ],
)
def test_the_rendered_configurations_are_understood(config: EndpointPickerConfig, expected: Rule) -> None:
    assert rule.of(yaml.safe_dump(config.document())) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nonCachedTokens: 256", "nonCachedTokens: 0"),
        ("nonCachedTokens: 256", "nonCachedTokenz: 256"),
        ("- prepareDataPlugins", "- flowControl"),
        ("prefill: prefix-based-pd-decider", "prefil: prefix-based-pd-decider"),
        ("type: disagg-profile-handler", "type: single-profile-handler"),
    ],
)
def test_entries_that_the_picker_ignores_mean_never(old: str, new: str) -> None:
    text = yaml.safe_dump(of_0_6(256, Preset.GUIDE).document())
    assert old in text

    assert rule.of(text.replace(old, new)) == NEVER


def test_a_newer_picker_without_an_index_of_prefixes_means_never() -> None:
    document = of_0_9(256, Preset.GUIDE).document()
    document["plugins"] = [one for one in document["plugins"] if "prefix-cache" not in one["type"]]
    assert rule.of(yaml.safe_dump(document)) == NEVER


@pytest.mark.parametrize("text", ["a: [", "7", "plugins: [7]", "plugins: [{type: pd-profile-handler, parameters: 3}]"])
def test_a_configuration_that_the_picker_refuses_is_no_rule(text: str) -> None:
    assert rule.of(text) is None


@pytest.mark.parametrize("decision", [ALWAYS, Rule(256, "tokens"), Rule(5000, "characters"), Rule(1, "characters")])
def test_the_prompt_is_long_enough_for_the_rule(decision: Rule) -> None:
    prompt = request.prompt(rule.prompt_size(decision, 32000))

    assert rule.applies(decision, prompt)


def test_the_prompt_stays_below_the_models_context_even_if_the_rule_wants_more() -> None:
    decision = Rule(4000, "tokens")
    words = rule.prompt_size(decision, 4096)

    assert words * 6 < 4096
    assert not rule.applies(decision, request.prompt(words))


def test_every_prompt_differs() -> None:
    firsts = {request.prompt(1) for _ in range(50)}

    assert len(firsts) > 40


def test_a_rule_as_text() -> None:
    assert [str(one) for one in (ALWAYS, NEVER, Rule(256, "tokens"))] == [
        "every prompt",
        "never",
        "prompts of at least 256 uncached tokens",
    ]
