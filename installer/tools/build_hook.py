"""Hatchling's build hook: no wheel, sdist or editable install of a bundle that is not valid.

Its requirements are hatchling, jsonschema and, before Python 3.11, tomli.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundleBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # generic over the builder's configuration
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Called by hatchling before it builds anything; what is raised here ends the build."""
        root = Path(self.root)
        sys.path.insert(0, str(root / "installer"))  # the package is not installed where a build runs
        try:
            from accessing_mlflow.bundle import validate

            validate(root / "skills")
        finally:
            sys.path.remove(str(root / "installer"))
