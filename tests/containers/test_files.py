"""The files of containers/, by the programs and schemas that read such files, and by each other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import ROOT
from tests.containers.dockerfile import FOLDER, asked, given_to, instructions, started
from tests.fakes.prometheus import needs_prometheus
from tests.site.conftest import write_model
from yolorknn.serve.guard import OPEN
from yolorknn.site.read import read_site
from yolorknn.site.tables import Site

CHECKERS = ROOT / ".containers"
checked = pytest.mark.skipif(not (CHECKERS / "complete").exists(), reason="scripts/containers.sh was not run")
SECRETS = {"page.token", "mqtt.password", "mosquitto.passwords"}
"""What docs/scale.md has people make."""


def loaded(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=120)


@checked
def test_hadolint_has_nothing_against_the_dockerfile() -> None:
    done = run(CHECKERS / "venv/bin/hadolint", FOLDER / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.skipif(not (CHECKERS / "compose.schema.json").exists(), reason="scripts/containers.sh was not run")
def test_the_compose_file_is_one() -> None:
    schema = json.loads((CHECKERS / "compose.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(loaded("compose.yaml"))
    wrong = loaded("compose.yaml")
    wrong["services"]["board"]["device"] = wrong["services"]["board"].pop("devices")
    assert not jsonschema.Draft7Validator(schema).is_valid(wrong)


def patched(folder: Path) -> Path:
    """Return the manifest with a device plugin's resource, as kubectl makes it."""
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl")
    done = run(
        "kubectl", "patch", "--local", "-f", FOLDER / "daemonset.yaml",
        "--patch-file", FOLDER / "device-plugin.yaml", "-o", "yaml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "patched.yaml").write_text(done.stdout)
    return folder / "patched.yaml"


@checked
def test_kubernetes_takes_the_manifest(tmp_path: Path) -> None:
    for version in ("1.30", "1.34"):
        done = run(CHECKERS / "venv/bin/kubernetes-validate", "-k", version, "--strict", FOLDER / "daemonset.yaml")
        assert done.returncode == 0, done.stdout + done.stderr
    spoilt = (FOLDER / "daemonset.yaml").read_text().replace("periodSeconds", "periodSecond", 1)
    (tmp_path / "spoilt.yaml").write_text(spoilt)
    assert run(CHECKERS / "venv/bin/kubernetes-validate", "--strict", tmp_path / "spoilt.yaml").returncode == 1


@checked
def test_kubernetes_takes_it_with_a_device_plugin(tmp_path: Path) -> None:
    file = patched(tmp_path)
    done = run(CHECKERS / "venv/bin/kubernetes-validate", "--strict", file)
    assert done.returncode == 0, done.stdout + done.stderr
    pod = yaml.safe_load(file.read_text())["spec"]["template"]["spec"]
    before = loaded("daemonset.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"] == {"memory": "1Gi", "rock-chips.com/npu": 1}
    assert {volume["name"] for volume in before["volumes"]} - {volume["name"] for volume in pod["volumes"]} == {"dri"}
    assert len(container["volumeMounts"]) == len(before["containers"][0]["volumeMounts"]) - 1


@needs_prometheus
def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    for file in (FOLDER / "prometheus.yml", FOLDER / "boards.yml", ROOT / "yolorknn/serve/alerts.yml"):
        shutil.copy(file, tmp_path)
    (tmp_path / "page.token").write_text("a-token-of-the-tests-0123456789")
    done = run("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0 and "SUCCESS: 4 rules found" in done.stdout, done.stdout + done.stderr
    (job,) = loaded("prometheus.yml")["scrape_configs"]
    assert f'up{{job="{job["job_name"]}"}}' in (ROOT / "yolorknn/serve/alerts.yml").read_text()


def site(folder: Path) -> Site:
    """Read the site file that is shipped, with what it names beside it."""
    text = (FOLDER / "site.toml").read_text()
    write_model(folder / "v8n-rk3588-i8.rknn")
    (folder / "site.toml").write_text(text.replace("/var/lib/yolorknn/", ""))
    for name in ("page.token", "mqtt.password"):
        (folder / name).write_text("a-token-of-the-tests-0123456789")
    return read_site(folder / "site.toml")


def test_the_site_file_is_one_and_the_others_are_for_it(tmp_path: Path) -> None:
    """Its port is asked by the health check, by the probes and by Prometheus; its secrets are beside it."""
    read = site(tmp_path)
    assert read.page is not None and read.mqtt is not None and read.mqtt.board is None
    port = read.page.port
    assert given_to("board", "EXPOSE") == [str(port)]
    assert f":{port}" in (FOLDER / "probe.py").read_text()
    assert all(target.endswith(f":{port}") for group in loaded("boards.yml") for target in group["targets"])
    pod = loaded("daemonset.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (exposed,) = container["ports"]
    assert exposed["containerPort"] == port
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in OPEN, "the kubelet has no token"
        assert container[probe]["httpGet"]["port"] == exposed["name"]
    ready = container["readinessProbe"]["exec"]["command"]
    assert ready[:-1] == asked()[:-1] and ready[-1] == "/readyz" and asked()[-1] == "/healthz"


def test_what_is_copied_into_the_image_is_there_and_let_in() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = [
        source
        for stage in ("build", "board", "with-library")
        for given in given_to(stage, "COPY")
        if not given.startswith("--from")
        for source in given.split()[:-1]
    ]
    assert set(copied) == let_in
    assert all((ROOT / source).exists() for source in copied if source != "librknnrt.so")
    extras = dict(given.split("=") for given in given_to("build", "ARG"))["EXTRAS"]
    project = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras.split(","))


def test_compose_and_kubernetes_give_the_image_what_it_has_a_place_for() -> None:
    """One user, one place for state and site file; every file of the checkout that is mounted exists."""
    user = given_to("board", "USER")[0]
    board, pod = loaded("compose.yaml")["services"]["board"], loaded("daemonset.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    security = container["securityContext"]
    assert user == f"{security['runAsUser']}:{security['runAsGroup']}" and f"--uid {user.split(':')[0]} " in str(
        instructions("board")
    )
    targets = {volume.split(":")[1] for volume in board["volumes"]}
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/var/lib/yolorknn", "/usr/lib/librknnrt.so", "/etc/machine-id"} <= targets & mounted
    site_file = started()[-1]
    assert site_file in targets and str(Path(site_file).parent) in mounted
    assert board["security_opt"][0] == "systempaths=unconfined" and "/dev/dri:/dev/dri" in board["devices"]
    for service in loaded("compose.yaml")["services"].values():
        assert not service["image"].endswith(":latest")
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./secrets/"):
                assert Path(source).name in SECRETS
            elif source.startswith("."):
                assert (FOLDER / source).exists(), source
            elif not source.startswith("/"):
                assert source in loaded("compose.yaml")["volumes"]
    git = run("git", "-C", ROOT, "check-ignore", *[FOLDER / "secrets" / name for name in sorted(SECRETS)])
    assert len(git.stdout.splitlines()) == len(SECRETS), "secrets are in no commit"
