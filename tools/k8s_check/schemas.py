"""Every object fits the schema of its kind: Kubernetes' own for each version, ours for the rest."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator, ValidationError
from kubernetes_validate import utils  # type: ignore[import-untyped]
from packaging.version import Version
from referencing import Registry, Resource

from tools.k8s_check.overlay import Finding, Manifest, Overlay

OLDEST: Final = Version("1.32")
_CUSTOM: Final = Path(__file__).parent / "custom_kinds.yaml"


def versions() -> list[str]:
    """The versions of Kubernetes whose schemas there are, from the oldest that we support."""
    return [each for each in dict.fromkeys(utils.all_versions()) if Version(each) >= OLDEST]


def check(overlay: Overlay) -> Iterator[Finding]:
    """Unknown kinds, unknown fields, missing ones, and wrong values."""
    custom = _custom_kinds()
    for each in overlay.objects:
        key = f"{each['apiVersion']} {each['kind']}"
        if key in custom:
            yield from _mistakes(overlay, each, custom[key], "")
            continue
        for version in versions():
            validator = _validator(version, each["apiVersion"], each["kind"])
            if validator is None:
                yield overlay.finding(
                    each, f"Kubernetes {version} has no {key}, and custom_kinds.yaml neither"
                )
                break
            found = list(_mistakes(overlay, each, validator, f" (Kubernetes {version})"))
            yield from found
            if found:
                break


def _mistakes(
    overlay: Overlay, each: Manifest, validator: Draft202012Validator, suffix: str
) -> Iterator[Finding]:
    for error in validator.iter_errors(each):
        yield overlay.finding(each, f"{_path(error)}{error.message}{suffix}")


def _path(error: ValidationError) -> str:
    path = ".".join(str(part) for part in error.absolute_path)
    return f"{path}: " if path else ""


@cache
def _custom_kinds() -> dict[str, Draft202012Validator]:
    schemas: dict[str, Any] = yaml.safe_load(_CUSTOM.read_text())
    shared = schemas.pop("$defs")
    return {
        key: Draft202012Validator({**schema, "$defs": shared}) for key, schema in schemas.items()
    }


@cache
def _validator(version: str, api_version: str, kind: str) -> Draft202012Validator | None:
    """Kubernetes' strict schema of a kind; None where it has none."""
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    try:
        schema = utils.schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    except FileNotFoundError:
        return None
    return Draft202012Validator(schema, registry=_definitions(folder, version))


@cache
def _definitions(folder: str, version: str) -> Any:
    content = utils.schema_contents(f"{folder}/_definitions.json", version)
    definitions: Resource[Any] = Resource.from_contents(content)
    return definitions @ Registry()
