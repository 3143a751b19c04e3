"""The certificates of the listener that speaks HTTPS: files of Secrets, which Envoy reads anew when they change.

Envoy looks at the folder of a mounted Secret, in which the kubelet replaces both files in one step. So a renewed
certificate is served some minute later, without another pod; connections under way keep the old one.
"""

from components.gateways.args import ModelGatewayArgs
from components.gateways.standalone.parts import FOLDER, TYPES, Json

SECRETS = "/etc/certificates"
"""Where the Secrets are mounted, each in a folder called like its volume."""


def secrets(args: ModelGatewayArgs) -> dict[str, str]:
    """Secret by the name of its volume, which is also what Envoy calls it."""
    names = [each.name for listener in args.listeners for each in listener.certificates]
    return {f"certificate-{number}": name for number, name in enumerate(names)}


def files(args: ModelGatewayArgs) -> dict[str, Json]:
    """A file for each certificate, by name: Envoy watches what these name, and not what its configuration names."""
    return {f"{name}.yaml": {"resources": [_resource(name)]} for name in secrets(args)}


def transport(args: ModelGatewayArgs) -> Json:
    """TLS, for a filter chain: of several certificates the one for the name that is asked for, else the first."""
    references = [
        {
            "name": name,
            "sds_config": {"path_config_source": {"path": f"{FOLDER}/{name}.yaml"}, "resource_api_version": "V3"},
        }
        for name in secrets(args)
    ]
    config = {
        "@type": f"{TYPES}extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": references,
        },
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": config}}


def _resource(name: str) -> Json:
    folder = f"{SECRETS}/{name}"
    return {
        "@type": f"{TYPES}extensions.transport_sockets.tls.v3.Secret",
        "name": name,
        "tls_certificate": {
            "certificate_chain": {"filename": f"{folder}/tls.crt"},
            "private_key": {"filename": f"{folder}/tls.key"},
            "watched_directory": {"path": folder},
        },
    }
