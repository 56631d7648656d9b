"""What Prefect reads, made from the use-case files: `python -m deployments.publish` writes it into deployments/.

prefect.yaml has every deployment for `prefect deploy --all`; work_pools/ has what a pool of each type starts runs with.
"""

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from deployments.pools import TYPES, template
from flows.deployables import Deployable, deployables

POOL = "tunegate"
HEAD = """\
# Made from the use-case files by `python -m deployments.publish`; change those, and run it again.
#
#   prefect work-pool create tunegate --type process --base-job-template deployments/work_pools/process.json
#   prefect --no-prompt deploy --all --prefect-file deployments/prefect.yaml
#   python -m flows.worker
#
# What a run is started with (image, volume, variables) belongs to the work pool: docker.json and kubernetes.json are
# there as well. Nothing is pulled: tunegate is installed where runs work.
# On one machine `tunegate up` or `python -m flows.serve` does without all this; a deployment belongs to one of the two.
"""


def prefect_yaml() -> str:
    """The file that `prefect deploy` reads."""
    content = {
        "name": "tunegate",
        "pull": [{"deployments.pull.enter_project": {}}],
        "deployments": [_deployment(item) for item in deployables()],
    }
    yaml, stream = YAML(pure=True), StringIO()
    yaml.width = 120
    yaml.representer.ignore_aliases = lambda *_: True
    yaml.dump(content, stream)
    return HEAD + stream.getvalue()


def _deployment(item: Deployable) -> dict[str, Any]:
    when = item.timetable
    schedule = {"slug": when.slug, "cron": when.cron, "timezone": when.timezone, "active": True} if when else None
    return {
        "name": item.name,
        "entrypoint": item.entrypoint,
        "description": LiteralScalarString(item.about),
        "tags": list(item.tags),
        "parameters": item.parameters,
        "work_pool": {"name": POOL},
        "schedules": [schedule] if schedule else [],
        "concurrency_limit": {"limit": 1, "collision_strategy": "ENQUEUE"},
    }


def work_pool(kind: str) -> str:
    """Base job template of a type of work pool, as `prefect work-pool create --base-job-template` reads it."""
    return json.dumps(template(kind), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """Write all of it. A type of work pool whose integration is not installed keeps the file that it has."""
    (folder / "work_pools").mkdir(parents=True, exist_ok=True)
    (folder / "prefect.yaml").write_text(prefect_yaml(), encoding="utf-8")
    for kind in TYPES:
        try:
            (folder / "work_pools" / f"{kind}.json").write_text(work_pool(kind), encoding="utf-8")
        except ModuleNotFoundError as missing:
            sys.stderr.write(f"work_pools/{kind}.json stays as it is: {missing}\n")


if __name__ == "__main__":
    write(Path("deployments"))
