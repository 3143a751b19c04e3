"""Four installs in one cluster, each by another user; the audit log shows their requests."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.cluster import lifecycle
from sandbox.cluster.api import Api, connect
from sandbox.cluster.control_plane import AUDIT, ControlPlane
from tests.sandbox.running import Running, separate, token_of
from tests.sandbox.stack.deployment import Deployment, deployment

pytestmark = pytest.mark.thorough

INSTALLS = 4
AT_ONCE = 4
USERS = "users"
"""The namespace of the users' service accounts."""
_REVIEWS = {"authentication.k8s.io", "authorization.k8s.io"}
"""API groups of queries that use POST."""


@dataclass(frozen=True)
class Install:
    """One install: its user and its namespace."""

    user: str
    namespace: str
    owner: bool
    """Whether it makes the namespace; if not, it shares that of another install."""
    postfix: str
    release: str
    stack: Deployment


def _plan(number: int, stack: Deployment) -> Install:
    owner, user = number % 2 == 0, f"install-{number}"
    namespace = f"own-{number}" if owner else f"shared-{number // 4}"
    return Install(user, namespace, owner, "pd" if owner else f"n{number}", ("0.6", "0.4")[number // 2 % 2], stack)


@pytest.fixture(scope="module")
def audited() -> Iterator[Running]:
    policy = str(Path(__file__).with_name("audit.yaml"))
    with separate("audited", variables={lifecycle.NO_NAMESPACES: "1", AUDIT: policy}) as started:
        yield started


@pytest.fixture(scope="module")
def installs(audited: Running) -> list[Install]:
    """All installs before `up`; half share the namespace of another one."""
    amd = deployment(audited, "amd", count=4)
    whole = yaml.safe_load((amd.engine.cwd / "Pulumi.amd.yaml").read_text())
    planned = [_plan(number, amd) for number in range(INSTALLS)]
    with connect(audited.host_kubeconfig) as api:
        for namespace in {USERS, *(each.namespace for each in planned if not each.owner)}:
            one = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            api.apply(f"/api/v1/namespaces/{namespace}", one)
        return [_prepared(api, each, whole) for each in planned]


def _prepared(api: Api, install: Install, whole: dict[str, Any]) -> Install:
    """Return the install with its own user and stack file."""
    token = token_of(api, install.user, USERS)
    engine = install.stack.engine
    kubeconfig = yaml.safe_load(Path(engine.env["KUBECONFIG"]).read_text())
    kubeconfig["users"] = [{"name": each["name"], "user": {"token": token}} for each in kubeconfig["users"]]
    own = engine.cwd.parent / f"{install.user}.kubeconfig"
    own.write_text(yaml.safe_dump(kubeconfig))

    config = dict(whole["config"])
    one = {"replicas": 1, "tensorParallel": 1}
    where = {"namespace": install.namespace, "createNamespace": install.owner, "postfix": install.postfix}
    tiers = {"prefill": one, "decode": one, "release": install.release}
    secret = {} if install.owner else {"model": {**config["llm-d-pd:serving"]["model"], "tokenSecret": install.user}}
    config["llm-d-pd:serving"] = {**config["llm-d-pd:serving"], **where, **tiers, **secret}
    (engine.cwd / f"Pulumi.{install.user}.yaml").write_text(yaml.safe_dump({**whole, "config": config}))

    stack = replace(
        install.stack, engine=replace(engine, env={**engine.env, "KUBECONFIG": str(own)}), stack=install.user
    )
    return replace(install, stack=stack)


def _together(work: Callable[[Install], object], installs: list[Install]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(work, installs))


def _up(install: Install) -> None:
    install.stack.pulumi("stack", "init", "--no-select")
    install.stack.pulumi("up", "--yes", "--skip-preview")


def _down(install: Install) -> None:
    install.stack.pulumi("destroy", "--yes", "--skip-preview")


def test_installs_deploy_change_and_go_in_parallel(installs: list[Install]) -> None:
    _together(_up, installs)
    for install in installs:
        assert len(install.stack.pods(install.namespace, instance=install.postfix)) == 3, install.user

    def part(install: Install) -> None:
        """Destroy every third install while the others change."""
        if installs.index(install) % 3 == 0:
            _down(install)
        else:
            install.stack.up(routing__verbosity=3)

    _together(part, installs)
    staying = [install for number, install in enumerate(installs) if number % 3]
    for install in staying:
        assert len(install.stack.pods(install.namespace, instance=install.postfix)) == 3, install.user
    _together(_down, staying)
    assert installs[0].stack.objects() == set()


def test_every_object_was_written_by_its_own_install_only(installs: list[Install], audited: Running) -> None:
    log = ControlPlane(audited.home.cluster, {}, isolated=False).audit_log
    writers = defaultdict[tuple[str, str, str], set[str]](set)
    for event in map(json.loads, log.read_text().splitlines()):
        about, user = event.get("objectRef", {}), event["user"]["username"]
        if (
            "dryRun=All" not in event["requestURI"]
            and user.startswith(f"system:serviceaccount:{USERS}:")
            and about.get("apiGroup") not in _REVIEWS
        ):
            assert event["responseStatus"]["code"] < 400, event
            key = about["resource"], about.get("namespace", ""), about["name"]
            writers[key].add(user.rpartition(":")[2])
    assert {key: users for key, users in writers.items() if len(users) != 1} == {}
    by_user = {install.user: install for install in installs}
    assert {user for users in writers.values() for user in users} == by_user.keys()
    for (resource, namespace, name), [user] in writers.items():
        install = by_user[user]
        assert namespace in (install.namespace, ""), (resource, namespace, name, user)
        if not install.owner and name != user:
            assert install.postfix in name.split("-"), (resource, name, user)
