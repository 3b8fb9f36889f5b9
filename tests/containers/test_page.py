"""docs/scale.md: what is typed for containers, as far as it goes without a daemon and a cluster; and its arithmetic."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.containers.dockerfile import FOLDER, given_to
from tests.docs.pages import blocks
from tests.docs.test_pages import CONTAINERS, DAEMONS

PAGE = ROOT / "docs/scale.md"
LINES = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
OURS = [line for line in LINES if line.split()[0] in DAEMONS | CONTAINERS]
needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl")
needs_docker = pytest.mark.skipif(not shutil.which("docker"), reason="no docker, whose words these are")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "containers", ignore=shutil.ignore_patterns("secrets"))
    return tmp_path


def shell(line: str, checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment}
    return subprocess.run(
        ["sh", "-c", line], cwd=checkout, env=variables, capture_output=True, text=True, check=False, timeout=60
    )


def secrets(checkout: Path) -> None:
    """Make them as the page does, with mosquitto's own program without its image, where it is here."""
    for line in OURS:
        done = None
        if line.split()[0] in CONTAINERS:
            done = shell(line, checkout)
        elif "mosquitto_passwd" in line:
            image = next(
                service["image"]
                for service in yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"].values()
                if "mosquitto" in service["image"]
            )
            assert f" {image} sh -c '" in line
            inside = line.partition(" sh -c '")[2].rstrip("'").replace("/secrets", "containers/secrets")
            if shutil.which("mosquitto_passwd"):
                done = shell(inside, checkout)
            else:
                (checkout / "containers/secrets/mosquitto.passwords").write_text("board:")
        assert done is None or done.returncode == 0, (line, done)


def test_the_secrets_are_made(checkout: Path) -> None:
    secrets(checkout)
    made = checkout / "containers/secrets"
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in made.iterdir()} == {"page.token", "mqtt.password", "mosquitto.passwords"}
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in made.iterdir())
    assert len((made / "page.token").read_text().strip()) >= 16
    assert (made / "mosquitto.passwords").read_text().startswith("board:")


@needs_kubectl
def test_kubectl_makes_what_the_manifest_mounts(checkout: Path) -> None:
    secrets(checkout)
    made = {}
    for line in OURS:
        if line.startswith("kubectl create"):
            done = shell(f"{line} --dry-run=client -o yaml", checkout)
            assert done.returncode == 0, done.stderr
            thing = yaml.safe_load(done.stdout)
            made[thing["kind"].lower(), thing["metadata"]["name"]] = set(thing["data"])
        elif line.startswith("kubectl patch --local"):
            assert shell(line, checkout).returncode == 0 and (checkout / "daemonset.yaml").exists()
        elif line.startswith("kubectl label"):
            key, _, value = line.split()[-1].partition("=")
            manifest = yaml.safe_load((FOLDER / "daemonset.yaml").read_text())
            assert manifest["spec"]["template"]["spec"]["nodeSelector"][key] == value
    pod = yaml.safe_load((FOLDER / "daemonset.yaml").read_text())["spec"]["template"]["spec"]
    (config,) = [volume["projected"]["sources"] for volume in pod["volumes"] if "projected" in volume]
    mounted = {(kind.lower(), source["name"]) for part in config for kind, source in part.items()}
    assert mounted == set(made)
    assert set().union(*made.values()) == {"site.toml", "page.token", "mqtt.password"}


@needs_docker
@pytest.mark.parametrize("line", [line for line in OURS if line.startswith("docker ") and "compose" not in line])
def test_docker_knows_the_words(line: str, checkout: Path) -> None:
    """Docker's program reads its words before it asks the daemon, which is told to be nowhere."""
    shutil.copy(ROOT / "pyproject.toml", checkout)
    done = shell(line, checkout, DOCKER_HOST=f"unix://{checkout}/nobody.sock")
    assert done.returncode != 0 and "docker.sock" not in done.stderr and "nobody.sock" in done.stderr, done.stderr
    spoilt = shell(line.replace("docker run", "docker run --rn", 1), checkout, DOCKER_HOST=f"unix://{checkout}/n")
    assert "docker run" not in line or "unknown flag: --rn" in spoilt.stderr


def test_its_names_are_those_of_the_files() -> None:
    text, compose = PAGE.read_text(), yaml.safe_load((FOLDER / "compose.yaml").read_text())
    assert f"-o {given_to('board', 'USER')[0].partition(':')[0]} " in text
    assert f"{compose['name']}_board" in text and "board" in compose["volumes"] and "board" in compose["services"]
    assert "${NPU_GROUP:?" in compose["services"]["board"]["group_add"][0]
    (resource,) = yaml.safe_load((FOLDER / "device-plugin.yaml").read_text())["spec"]["template"]["spec"]["containers"]
    assert set(resource["resources"]["limits"]) == {"rock-chips.com/npu"} and "`rock-chips.com/npu`" in text
    for name in re.findall(r"containers/([\w.-]+\.\w+)", text):
        assert (FOLDER / name).exists(), name


def test_its_arithmetic() -> None:
    text = PAGE.read_text()
    rows = re.findall(r"^\| (\d+) \| (\d) \| ([\d.]+) hours \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    formulas = re.findall(r"^    boards = (.+)$", text, re.MULTILINE)
    assert len(rows) == 4 and len(formulas) == 2
    for ms, cores, hours, million, cameras in ((int(r[0]), int(r[1]), *r[2:]) for r in rows):
        known = {"ms": ms, "cores": cores, "images": 1e6, "hours": 1, "cameras": 50, "fps": 10}
        jobs, watching = (eval(formula, {}, known) for formula in formulas)
        assert (f"{jobs:.1f}", math.ceil(jobs), math.ceil(watching)) == (hours, int(million), int(cameras))
