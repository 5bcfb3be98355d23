"""deploy/compose: what it mounts is there, what it makes works, and no password is a default."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.access_file import read_access

FOLDER = Path(__file__).parents[2] / "deploy/compose"
ENTRYPOINT = (FOLDER.parent / "container/entrypoint.sh").read_text()
# What init.sh makes, or env.example names.
MADE = {"./config", "./profiles"}


def read(name: str) -> dict[str, Any]:
    found = yaml.safe_load((FOLDER / name).read_text())
    assert isinstance(found, dict)
    return found


COMPOSE = read("compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)s", text)
    assert found
    return int(found[1])


def default(text: str) -> str:
    """What is left of `${NAME:-default}` where NAME is not set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder after init.sh."""
    folder = tmp_path / "compose"
    shutil.copytree(
        FOLDER, folder, ignore=shutil.ignore_patterns("secrets", "config", "profiles", ".env")
    )
    initialise(folder)
    return folder


def initialise(folder: Path) -> str:
    done = subprocess.run(
        ["sh", str(folder / "init.sh")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_and_careful(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+\.\d+", default(service["image"])), service["image"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    # Nothing is open to the network unasked.
    for port in service["ports"]:
        assert default(port).startswith("127.0.0.1:"), port


@pytest.mark.parametrize("name", SERVICES)
def test_what_it_mounts_is_there(name: str) -> None:
    for volume in SERVICES[name]["volumes"]:
        if isinstance(volume, str):
            assert volume.split(":")[0] in COMPOSE["volumes"]
            continue
        assert volume["read_only"] is True
        # Else Docker makes a folder where a file is missing, and the service starts without it.
        assert volume["bind"] == {"create_host_path": False}
        source = default(volume["source"])
        assert source in MADE or (FOLDER / source).exists(), source
    for secret in SERVICES[name].get("secrets", []):
        assert secret in COMPOSE["secrets"]


def test_it_provisions_deploy_monitoring() -> None:
    mounted = {
        Path(volume["target"]): (FOLDER / default(volume["source"])).resolve()
        for service in ("prometheus", "grafana")
        for volume in SERVICES[service]["volumes"]
        if isinstance(volume, dict)
    }
    monitoring = FOLDER.parent / "monitoring"
    for file in ("rules.yaml", "alerts.yaml"):
        assert mounted[Path("/etc/prometheus") / file] == monitoring / file
    ours = read("prometheus.yaml")
    theirs = yaml.safe_load((monitoring / "prometheus.yaml").read_text())
    assert ours["scrape_configs"][0]["static_configs"] == [{"targets": ["langsteer:8000"]}]
    ours["scrape_configs"][0]["static_configs"] = theirs["scrape_configs"][0]["static_configs"]
    assert ours == theirs
    (dashboard,) = [at for at, source in mounted.items() if source == monitoring / "dashboard.json"]
    (provider,) = read("grafana/dashboards/langsteer.yaml")["providers"]
    assert Path(provider["options"]["path"]) == dashboard.parent
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == str(
        dashboard
    )
    (source,) = read("grafana/datasources/prometheus.yaml")["datasources"]
    # The dashboard asks for a data source of this type, and takes the default one first.
    asked = json.loads((monitoring / "dashboard.json").read_text())["templating"]["list"][0]
    assert (asked["type"], asked["query"]) == ("datasource", source["type"])
    assert source["isDefault"] is True
    assert source["url"] == "http://prometheus:9090"
    assert source["jsonData"]["timeInterval"] == ours["global"]["scrape_interval"]


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    shutil.copy(FOLDER / "prometheus.yaml", tmp_path)
    for file in ("rules.yaml", "alerts.yaml"):
        shutil.copy(FOLDER.parent / "monitoring" / file, tmp_path)
    command = ["promtool", "check", "config", str(tmp_path / "prometheus.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_may_end_in_its_own_time() -> None:
    service = SERVICES["langsteer"]
    drain = int(service["environment"]["LANGSTEER_SHUTDOWN_TIMEOUT"])
    assert seconds(service["stop_grace_period"]) >= drain + 25
    # What it sets is what the entry point, vLLM and the hub's client read.
    for name in service["environment"]:
        assert name in ENTRYPOINT or name in {
            "LANGSTEER_ACCESS",
            "HF_TOKEN_PATH",
            "VLLM_CPU_KVCACHE_SPACE",
        }


def test_every_variable_is_in_the_example() -> None:
    text = "".join((FOLDER / name).read_text() for name in ("compose.yaml", "gpu.yaml"))
    used = set(re.findall(r"\$\{(\w+)", text))
    told = set(re.findall(r"^#(\w+)=", (FOLDER / "env.example").read_text(), re.MULTILINE))
    assert used == told


def test_the_gpu_file_only_changes_what_is_there() -> None:
    (name,) = read("gpu.yaml")["services"]
    assert name == "langsteer"
    gpu = read("gpu.yaml")["services"][name]
    assert gpu.keys() <= SERVICES[name].keys()
    assert gpu["build"]["args"].keys() == SERVICES[name]["build"]["args"].keys()
    assert gpu["environment"].keys() <= SERVICES[name]["environment"].keys()


def test_init_makes_keys_that_open_the_server(made: Path) -> None:
    rules = read_access(made / "config/access.yaml")
    assert rules.keyed
    written = (made / "config/access.yaml").read_text()
    for who in ("client", "operator"):
        key = (made / f"secrets/{who}.key").read_text().strip()
        assert re.fullmatch(r"[0-9a-f]{64}", key)
        assert key not in written
        client = rules.client([key], "")
        assert (client.name, client.admin) == (f"key/{who}", who == "operator")


def test_init_keeps_secrets_to_their_owner_and_to_itself(made: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in (made / "secrets").iterdir()}
    assert (made / "secrets").stat().st_mode & 0o777 == 0o700
    assert modes == {
        "client.key": 0o600,
        "operator.key": 0o600,
        # The containers' users read these; on the host nobody gets that far.
        "grafana_admin_password": 0o644,
        "hf_token": 0o644,
    }
    assert len((made / "secrets/grafana_admin_password").read_text().strip()) == 64
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    told = initialise(made)
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before
    for path in (made / "secrets").iterdir():
        secret = path.read_text().strip()
        assert not secret or secret not in told


def test_init_makes_other_secrets_each_time(made: Path) -> None:
    first = (made / "secrets/client.key").read_text()
    shutil.rmtree(made / "secrets")
    shutil.rmtree(made / "config")
    initialise(made)
    assert (made / "secrets/client.key").read_text() != first


def test_git_takes_no_secret() -> None:
    ignored = (FOLDER.parents[1] / ".gitignore").read_text().splitlines()
    for name in ("secrets/", "config/", ".env"):
        assert f"/deploy/compose/{name}" in ignored


@pytest.mark.parametrize("files", [("compose.yaml",), ("compose.yaml", "gpu.yaml")])
def test_compose_takes_it(files: tuple[str, ...], made: Path) -> None:
    command = compose()
    shutil.copytree(FOLDER.parent / "monitoring", made.parent / "monitoring", dirs_exist_ok=True)
    chosen = [part for file in files for part in ("-f", file)]
    done = subprocess.run(
        [*command, *chosen, "config"],
        cwd=made,
        env={**os.environ, "LANGSTEER_MODEL": "owner/name"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    merged = yaml.safe_load(done.stdout)["services"]["langsteer"]
    assert merged["environment"]["LANGSTEER_MODEL"] == "owner/name"
    assert merged["build"]["args"]["DEVICE"] == ("gpu" if len(files) > 1 else "cpu")
    assert ("devices" in str(merged.get("deploy"))) == (len(files) > 1)


def compose() -> list[str]:
    """Compose of this machine; the test is skipped where there is none. It needs no engine."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        done = subprocess.run([*command, "version"], capture_output=True, check=False)
        if done.returncode == 0:
            return command
    pytest.skip("Compose is not installed")
