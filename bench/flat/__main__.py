"""The program for comparison: it declares the same objects from a file, without settings, plan or components."""

import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

KINDS: dict[str, Any] = {
    "ClusterRole": k8s.rbac.v1.ClusterRole,
    "ClusterRoleBinding": k8s.rbac.v1.ClusterRoleBinding,
    "ConfigMap": k8s.core.v1.ConfigMap,
    "Deployment": k8s.apps.v1.Deployment,
    "Namespace": k8s.core.v1.Namespace,
    "Role": k8s.rbac.v1.Role,
    "RoleBinding": k8s.rbac.v1.RoleBinding,
    "Secret": k8s.core.v1.Secret,
    "Service": k8s.core.v1.Service,
    "ServiceAccount": k8s.core.v1.ServiceAccount,
}

WORDS = {"roleRef": "role_ref", "automountServiceAccountToken": "automount_service_account_token"}
"""Python arguments of the fields with a name in camel case."""

token = pulumi.Config().require_secret("hfToken")
provider = k8s.Provider("cluster", kubeconfig="", enable_config_map_mutable=True, enable_secret_mutable=True)
first: list[pulumi.Resource] = []
for manifest in json.loads(Path(os.environ["BENCH_OBJECTS"]).read_text()):
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    opts = pulumi.ResourceOptions(provider=provider, depends_on=list(first))
    if kind in KINDS:
        body = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
        if body.get("type") == "Opaque":  # as the compared program does
            body["data"] = {"HF_TOKEN": token.apply(lambda text: b64encode(text.encode()).decode())}
        made = KINDS[kind](f"{kind}-{name}", opts=opts, **{WORDS.get(key, key): value for key, value in body.items()})
    else:
        made = k8s.apiextensions.CustomResource(
            f"{kind}-{name}",
            api_version=manifest["apiVersion"],
            kind=kind,
            metadata=manifest["metadata"],
            spec=manifest["spec"],
            opts=opts,
        )
    if kind in ("Namespace", "ServiceAccount"):
        first.append(made)
