"""Runs the real exporters on finished evaluations, in the Python that has them.

`export.py launcher ADDRESS FOLDER` (nemo-evaluator-launcher 0.2) or `export.py bundles ADDRESS FOLDER` (nemo-evaluator
0.3): writes the evaluations below FOLDER and exports them to the MLflow server.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import finished  # type: ignore[import-not-found,unused-ignore]  # beside this file


def launcher(address: str, folder: Path) -> None:
    exports = finished.write_jobs(folder)["exports"]
    os.environ["NEMO_EVALUATOR_EXEC_DB_FILE"] = str(folder / "exec.v1.jsonl")
    from nemo_evaluator_launcher.exporters import create_exporter  # type: ignore[import-not-found,unused-ignore]

    for export in exports:
        exporter = create_exporter("mlflow", {**export["options"], "tracking_uri": address})
        print(exporter.export(export["ids"]))


def bundles(address: str, folder: Path) -> None:
    from nemo_evaluator.engine.exporters import get_exporter  # type: ignore[import-not-found,unused-ignore]
    from nemo_evaluator.reports.eval import (  # type: ignore[import-not-found,unused-ignore]
        discover_bundle_paths,
        load_bundles_for_export,
    )

    for run in finished.write_bundles(folder):
        loaded = load_bundles_for_export(discover_bundle_paths([run]))
        get_exporter("mlflow", tracking_uri=address, emit_traces=False).export(loaded, {"output_dir": str(run)})


if __name__ == "__main__":
    {"launcher": launcher, "bundles": bundles}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
