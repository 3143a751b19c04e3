"""Requests to one API server, several at a time, with the rights of the kubeconfig's user."""

import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from access.errors import NoAccess, NoAnswer
from access.kubeconfig import Kubeconfig
from access.server import AT_ONCE, ApiServer
from preflight.answers import Answer, Object, Question, Unreachable

METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
"""What to ask for, of an object or (`List`) of a list."""


class Cluster:
    """The cluster of one kubeconfig context. `Unreachable` when it, or a way to log in, does not answer."""

    def __init__(self, name: str, server: ApiServer) -> None:
        self.name = name
        """The cluster in words."""
        self._server = server

    @classmethod
    def connect(cls, kubeconfig: Kubeconfig, context: str | None = None) -> "Cluster":
        """The cluster of a context; None is the current one. No request yet; raises `Unreachable`."""
        try:
            server = ApiServer.connect(kubeconfig, context)
        except NoAccess as error:
            raise Unreachable(str(error)) from None
        return cls(f"context {context or kubeconfig.current}, server {server.url}", server)

    def ask(self, question: Question) -> Answer:
        """Ask one thing. What the server refuses is an answer, too; raises `Unreachable` when there is no server."""
        if question.kept is None:
            return self._asked(question, question.path)
        items: list[Object] = []
        path = question.path
        while True:
            answer = self._asked(question, path)
            more = (answer.body.get("metadata") or {}).get("continue")
            expired = answer.code == 410 and more  # the list has changed too much: it goes on as it is now
            if not answer.ok and not expired:
                return answer
            items += map(question.kept, answer.items)
            if not more:
                return Answer(answer.code, {"items": items})
            path = f"{question.path}&continue={quote(more)}"

    def _asked(self, question: Question, path: str) -> Answer:
        headers = {"Accept": "application/json"}
        if question.metadata_only:
            headers["Accept"] = METADATA.format("List" if "?" in path else "")
        if question.apply:
            headers["Content-Type"] = "application/apply-patch+yaml"
        method = "PATCH" if question.apply else "POST" if question.body else "GET"
        body = question.body.encode() or None
        try:
            response = self._server.request(method, path, body=body, headers=headers)
        except NoAnswer as error:
            return Answer(0, {"message": str(error)})
        except NoAccess as error:
            raise Unreachable(f"the API server does not answer: {error}") from None
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = {"message": f"HTTP {response.status}: {response.data[:200].decode(errors='replace')}"}
        return Answer(response.status, answer if isinstance(answer, dict) else {})

    def ask_all(self, questions: Collection[Question]) -> dict[Question, Answer]:
        """Ask everything, several at a time, each thing once."""
        distinct = list(dict.fromkeys(questions))
        with ThreadPoolExecutor(AT_ONCE) as together:
            return dict(zip(distinct, together.map(self.ask, distinct), strict=True))
