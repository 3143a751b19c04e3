"""Every bad stack file of the corpus ends in one clear report, before anything is declared."""

import json
import re

import pulumi
import pytest

from tests.corpus.stacks import BadStack, corpus
from tests.recorder import Recorder, run_program

CORPUS = corpus()
REPORT = re.compile(r"^1\. (\S+|\S+\[.*?\])(?: = .*)?\n +wrong: +(.*)\n +outcome: +.*\n +change: +(.*)$", re.MULTILINE)


@pytest.mark.parametrize("bad", CORPUS, ids=lambda bad: bad.name)
def test_a_bad_stack_file_is_refused_in_one_report(bad: BadStack) -> None:
    recorder = Recorder()
    more = {key: json.dumps(value) for key, value in bad.config.items() if key != "llm-d-pd:serving"}
    token = more.pop("llm-d-pd:hfToken", "placeholder")
    secrets = ("llm-d-pd:hfToken",) if "llm-d-pd:hfToken" not in bad.config else ()
    with pytest.raises(pulumi.RunError) as refused:
        run_program(bad.config["llm-d-pd:serving"], token=token, secrets=secrets, more=more, recorder=recorder)
    text = str(refused.value)
    [said] = REPORT.findall(text)
    at, wrong, change = said
    assert at == bad.at
    assert bad.wrong in wrong
    assert bad.change in change
    assert "1 problem. Nothing was touched." in text
    assert recorder.declared == {}
