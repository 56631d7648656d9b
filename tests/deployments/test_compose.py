"""compose.yaml and the Dockerfile, read without a container engine: closed, pinned, every setting really read."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from data_contracts.load import read_yaml

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
COMPOSE = read_yaml(DEPLOYMENTS / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("tunegate:")]
DOCKERFILE = (DEPLOYMENTS / "Dockerfile").read_text()
PINNED = re.compile(r"[\w./-]+:[\w.-]*\d[\w.-]*")
OTHERS_READ = {  # by PostgreSQL's image, MinIO, boto3, and tunegate itself
    *("POSTGRES_USER", "POSTGRES_PASSWORD", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MC_HOST_there"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"),
    *("TUNEGATE_HOME", "TUNEGATE_LEDGER_URL"),
}


def test_nothing_can_be_reached_from_another_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert not any(service.get("network_mode") or service.get("privileged") for service in SERVICES.values())


def test_an_empty_password_stops_compose_and_none_is_written_down() -> None:
    text = (DEPLOYMENTS / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    assert re.findall(r"\$\{\w+(?!\w|:\?)", text) == [], "every variable is demanded with :?"
    example = dict(line.split("=") for line in (DEPLOYMENTS / ".env.example").read_text().splitlines() if _sets(line))
    assert set(example) == asked
    assert not any(example.values())
    secret = re.compile(r"PASSWORD|SECRET|AUTH_STRING|_URL$|STORE_URI|MC_HOST")
    told = {name: value for service in SERVICES.values() for name, value in service.get("environment", {}).items()}
    in_clear = [name for name, value in told.items() if secret.search(name) and "${" not in value]
    assert sorted(in_clear) == ["MLFLOW_S3_ENDPOINT_URL", "PREFECT_API_URL", "PREFECT_SERVER_UI_API_URL"]


def test_every_image_is_pinned_and_ours_is_of_this_release() -> None:
    from importlib.metadata import version

    assert all(PINNED.fullmatch(service["image"]) for service in SERVICES.values())
    assert {SERVICES[name]["image"] for name in OURS} == {f"tunegate:{version('tunegate')}"}


def test_every_variable_is_one_that_somebody_reads() -> None:
    import mlflow.environment_variables as mlflow_reads
    import prefect.settings as prefect_reads

    options = {"MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION"}  # of `mlflow server`, as its --help says
    known = OTHERS_READ | options | {name for name in dir(mlflow_reads) if name.startswith("MLFLOW_")}
    for name, service in SERVICES.items():
        asked = set(service.get("environment", {}))
        assert {item for item in asked if item not in known and not hasattr(prefect_reads, item)} == set(), name
    assert not hasattr(prefect_reads, "PREFECT_SERVER_API_AUTH_STRONG")


def test_every_service_that_lasts_says_whether_it_is_well_and_comes_back() -> None:
    for name, service in SERVICES.items():
        once = service["restart"] == "no"
        assert once or "healthcheck" in service, name
        for other, condition in service.get("depends_on", {}).items():
            assert other in SERVICES
            if condition["condition"] == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no"


def test_every_volume_and_every_file_that_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOYMENTS / source).is_file()


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_has_no_right_that_it_does_not_need(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICES[name]["security_opt"]


# ------------------------------------------------------------ the image


def test_the_image_copies_what_is_there_and_fetches_nothing_unpinned() -> None:
    root = DEPLOYMENTS.parent
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    assert all((root / source).exists() for sources in copied for source in sources)
    assert not re.search(r"^ADD |curl|wget|apt-get", DOCKERFILE, re.MULTILINE)
    assert all(PINNED.fullmatch(line.split()[1]) for line in DOCKERFILE.splitlines() if line.startswith("FROM "))
    installs = [line for line in DOCKERFILE.splitlines() if "pip install" in line]
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


def test_the_image_works_as_nobody_special_with_the_state_that_the_pools_name() -> None:
    from deployments.pools import STATE, USER

    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users == [str(USER)]
    assert f"TUNEGATE_HOME={STATE}" in DOCKERFILE


def test_what_the_image_must_not_hold_is_left_out_of_its_build() -> None:
    left_out = (DEPLOYMENTS / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in left_out, "only what is named goes in"
    assert {"deployments/.env", "deployments/keys.env"} <= set(left_out)


def test_no_secret_file_is_committed() -> None:
    assert not [name for name in (".env", "keys.env") if (DEPLOYMENTS / name).exists() and _tracked(name)]


def _tracked(name: str) -> bool:
    return os.system(f"git -C {DEPLOYMENTS} ls-files --error-unmatch {name} >/dev/null 2>&1") == 0


def _sets(line: str) -> bool:
    return bool(line) and not line.startswith("#")
