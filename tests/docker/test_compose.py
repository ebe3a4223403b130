"""The stack in containers, held without an engine: schema, our own rules, every command line against our commands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from infra.cli.app import app
from infra.version import ROOT

DOCKER = ROOT / "infra" / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if "UPDOWN_IMAGE" in each["image"]}
_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")


def filled(text: str) -> str:
    """Put in what stands where no variable is set."""
    return _DEFAULT.sub(r"\1", text)


def test_it_is_what_the_compose_specification_says() -> None:
    words = ["check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DOCKER / "compose.yaml")]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_pinned_and_closed(name: str) -> None:
    service = SERVICES[name]
    image = filled(service["image"])
    assert re.fullmatch(r"[\w./-]+:[\w.-]+", image) and not image.endswith(":latest")
    health = service["healthcheck"]
    assert health.get("test") or (health.get("disable") and name == "collector"), "somebody looks at its health"
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ()))
    waited = service.get("depends_on", {})
    assert all(each["condition"] == "service_healthy" and other in SERVICES for other, each in waited.items())
    shared = service.get("network_mode", "")
    assert shared in ("", "service:house"), "nobody has the machine's own network"
    assert not (shared and service.get("ports")), "ports are opened by whoever owns the network"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_write_only_where_data_is_and_have_no_rights(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["volumes"] == ["data:/data"]
    assert "user" not in service, "the image's own, which is not root"


@pytest.mark.parametrize("name", OURS)
def test_every_command_line_is_one_that_our_commands_take(name: str) -> None:
    words = [filled(str(word)) for word in OURS[name]["command"]]
    group: Any = get_command(app)
    command = group.commands[words[0]]
    context = command.make_context(words[0], words[1:], resilient_parsing=False)
    assert context.params


def test_no_secret_stands_in_it_and_every_secret_is_a_file() -> None:
    raw = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    assert not re.search(r"(?i)(password|secret|token|key)\s*[:=]\s*[\"']?[a-z0-9]{8,}", raw)
    assert all(list(told) == ["file"] for told in COMPOSE["secrets"].values())
    used = {secret for each in SERVICES.values() for secret in each.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    variables = {name: value for each in SERVICES.values() for name, value in each.get("environment", {}).items()}
    assert all(str(value).startswith("/run/secrets/") for name, value in variables.items() if name.endswith("_FILE"))


def test_every_file_and_image_that_it_names_is_there() -> None:
    mounted = [str(volume).partition(":")[0] for each in SERVICES.values() for volume in each.get("volumes", ())]
    files = [DOCKER / path for path in mounted if path.startswith("./")]
    assert files and all(path.exists() for path in files)
    told = dict(
        line.split("=", 1)
        for line in (DOCKER / ".env.example").read_text(encoding="utf-8").splitlines()
        if "=" in line and not line.startswith("#")
    )
    named = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (DOCKER / "compose.yaml").read_text(encoding="utf-8")))
    assert told == named, "what is pinned in one place is pinned in the other"


def test_the_image_is_not_root_pinned_and_holds_no_secret() -> None:
    lines = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines if line and not line.startswith((" ", "#"))]
    users = [line[1] for line in words if line and line[0] == "USER"]
    assert users == ["updown"] and words[-1][0] == "CMD"
    assert all(":" in line[1] for line in words if line and line[0] == "FROM")
    tag = next(line[1] for line in words if line[:1] == ["ARG"] and line[1].startswith("PYTHON_TAG="))
    assert re.fullmatch(r"PYTHON_TAG=3\.1[123]\.\d+-slim-bookworm", tag)
    copied = [line[1] for line in words if line and line[0] == "COPY" and not line[1].startswith("--from")]
    assert all((ROOT / each).exists() for each in copied)
    assert any(line[:1] == ["HEALTHCHECK"] for line in words)
    left_out = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in left_out and "infra/docker/secrets" in left_out


def test_the_uv_of_the_image_is_that_of_the_make_file() -> None:
    version = re.search(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert version is not None and f"ARG UV_VERSION={version[1]}" in (DOCKER / "Dockerfile").read_text(encoding="utf-8")


def test_git_leaves_secrets_out(tmp_path: Path) -> None:
    del tmp_path
    done = subprocess.run(
        ["git", "check-ignore", "infra/docker/secrets/pgpass", "infra/docker/.env"], cwd=ROOT, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["infra/docker/secrets/pgpass", "infra/docker/.env"]


def test_a_beat_touches_its_file_and_without_one_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra import beat

    monkeypatch.setattr(beat, "_last_s", [-beat.EVERY_S])
    monkeypatch.delenv(beat.BEAT_VARIABLE, raising=False)
    beat.beat()
    file = tmp_path / "beat"
    monkeypatch.setenv(beat.BEAT_VARIABLE, str(file))
    beat.beat()
    assert file.exists()
    file.unlink()
    beat.beat()
    assert not file.exists(), "not oftener than every few seconds"
    monkeypatch.setattr(beat, "_last_s", [-beat.EVERY_S])
    monkeypatch.setenv(beat.BEAT_VARIABLE, str(tmp_path / "nowhere" / "beat"))
    beat.beat()
