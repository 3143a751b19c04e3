"""What a preflight knows: plan, state, and a cluster that is asked each thing once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from components.plan import ServingPlan
from preflight.answers import Answer, Question
from preflight.declared import Declared, objects
from preflight.state import State

IDENTITY = Question("/api/v1/namespaces/kube-system", metadata_only=True)
"""The UID of kube-system identifies a cluster: it is made with the cluster and never again."""


class Asked(Protocol):
    """A cluster as checks see it; `preflight.cluster.Cluster` is one."""

    name: str

    def ask(self, question: Question) -> Answer: ...

    def ask_all(self, questions: Collection[Question]) -> Mapping[Question, Answer]: ...


@dataclass
class Facts:
    """Plan, state and cluster of one preflight: the input of all checks."""

    plan: ServingPlan
    cluster: Asked
    state: State
    preview: bool = False
    """Whether nothing is changed in this run."""
    _known: dict[Question, Answer] = field(default_factory=dict)

    def collect(self, questions: Collection[Question]) -> None:
        """Ask what is not known yet, all at once."""
        new = dict.fromkeys(each for each in questions if each not in self._known)
        self._known.update(self.cluster.ask_all(list(new)))

    def get(self, path: str) -> Answer:
        return self.asked(Question(path))

    def asked(self, question: Question) -> Answer:
        """The answer to a question, asked now if it was not before."""
        if question not in self._known:
            self._known[question] = self.cluster.ask(question)
        return self._known[question]

    @cached_property
    def objects(self) -> list[Declared]:
        return objects(self.plan)

    @property
    def missed(self) -> dict[str, str]:
        return {each.path: answer.why for each, answer in self._known.items() if answer.missed}

    @property
    def namespace(self) -> str:
        return self.plan.namespace.namespace

    @property
    def uid(self) -> str | None:
        """UID of kube-system; None where this user may not read it."""
        answer = self.asked(IDENTITY)
        return str(answer.body["metadata"]["uid"]) if answer.ok else None
