"""An HTTPRoute's match in Envoy's words."""

import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def match(given: Mapping[str, Any]) -> Json:
    """Return Envoy's route match for one of an HTTPRoute's; an empty one matches everything."""
    result = _path(given.get("path") or {})
    headers = [{"name": one["name"], **_text(one)} for one in given.get("headers") or ()]
    if method := given.get("method"):
        headers.append({"name": ":method", "string_match": {"exact": method}})
    if headers:
        result["headers"] = headers
    if parameters := given.get("queryParams"):
        result["query_parameters"] = [{"name": one["name"], **_text(one)} for one in parameters]
    return result


def replaced(given: Mapping[str, Any], prefix: str) -> Json:
    """Return Envoy's rewrite of a path whose matched prefix is replaced: /llama/v1 → /v1, never //v1."""
    matched = re.escape((given.get("path") or {}).get("value", "/").rstrip("/"))
    root = prefix.rstrip("/")
    if root:
        return {"pattern": {"regex": f"^{matched}(/.*)?$"}, "substitution": f"{root}\\1"}
    return {"pattern": {"regex": f"^{matched}/*"}, "substitution": "/"}


def _path(path: Mapping[str, Any]) -> Json:
    value = path.get("value", "/")
    match path.get("type", "PathPrefix"):
        case "Exact":
            return {"path": value}
        case "RegularExpression":
            return {"safe_regex": {"regex": value}}
        case _ if value == "/":
            return {"prefix": "/"}
        case _:
            return {"path_separated_prefix": value.rstrip("/")}


def _text(one: Mapping[str, Any]) -> Json:
    if one.get("type") == "RegularExpression":
        return {"string_match": {"safe_regex": {"regex": one["value"]}}}
    return {"string_match": {"exact": one["value"]}}
