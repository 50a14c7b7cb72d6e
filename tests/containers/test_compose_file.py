"""docker-compose.yml and its image as files: all services, hardened, pinned, without a secret."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from kedge.broker import lock
from kedge.broker.layout import shipped
from kedge.cli.settings import _rows
from kedge.settings import Settings
from kedge.supervisor import SERVICES
from kedge.web.metrics import Metrics

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "infra/images/Dockerfile").read_text()
EVERY = COMPOSE["services"]
OURS = {name: one for name, one in EVERY.items() if one["image"].startswith("kedge:")}
ONCE = {name for name, one in EVERY.items() if one["restart"] == "no"}
"""Services that do one thing at the start and end."""


def _settings():
    return {variable for variable, _, _ in _rows(Settings(), "KEDGE_")}


def test_every_service_of_the_supervisor_runs():
    commands = [one.get("command") for one in EVERY.values()]
    for name in SERVICES:
        assert ["run", name] in commands, name


@pytest.mark.parametrize("name", OURS)
def test_every_setting_exists(name):
    used = {v for v in OURS[name].get("environment", {}) if v.startswith("KEDGE_")}
    assert {v for v in used if not v.startswith("KEDGE_KAFKA__")} <= _settings()


def test_settings_are_passed_on_under_their_own_names():
    passed = re.findall(r"^ +(KEDGE_\w+): \$\{(KEDGE_\w+)", _text(), re.MULTILINE)
    assert passed
    assert all(setting == variable for setting, variable in passed)


@pytest.mark.parametrize("name", EVERY)
def test_a_container_may_little_and_takes_a_bounded_share(name):
    one = EVERY[name]
    assert int(one["user"].split(":")[0]) > 0
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in one["security_opt"]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(one)
    assert "privileged" not in one
    if name not in ONCE:
        assert one["healthcheck"]["test"]


@pytest.mark.parametrize("name", EVERY)
def test_what_it_needs_is_healthy_or_done_first(name):
    for needed, how in EVERY[name].get("depends_on", {}).items():
        done = "service_completed_successfully" if needed in ONCE else "service_healthy"
        assert how["condition"] == done


def test_images_are_pinned_and_agree_with_what_they_are_built_from():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for one in EVERY.values():
        tag = one["image"].rpartition(":")[2]
        if one["image"].startswith("kedge:"):
            assert one["image"] == f"kedge:${{KEDGE_VERSION:-{version}}}"
        else:
            assert re.match(r"v?\d+\.\d+", tag), one["image"]
    assert f"ARG VERSION={version}\n" in DOCKERFILE
    assert re.search(r"ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+-slim", DOCKERFILE)
    kafka = lock.read(shipped("jars.lock")).kafka_version
    assert {EVERY[f"kafka-{n}"]["image"] for n in (1, 2, 3)} == {f"apache/kafka:{kafka}"}
    uv = re.search(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text())[1]
    assert f"ARG UV_VERSION={uv}\n" in DOCKERFILE


def test_three_brokers_of_which_any_one_may_go():
    brokers = [EVERY[f"kafka-{n}"]["environment"] for n in (1, 2, 3)]
    assert sorted(broker["KAFKA_NODE_ID"] for broker in brokers) == [1, 2, 3]
    assert len({broker["KAFKA_ADVERTISED_LISTENERS"] for broker in brokers}) == 3
    for broker in brokers:
        assert broker["KAFKA_MIN_INSYNC_REPLICAS"] == 2
        assert broker["KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"] == 2
        factors = [v for k, v in broker.items() if k.endswith("REPLICATION_FACTOR")]
        assert factors == [3] * 3
        assert broker["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    for one in OURS.values():
        if "environment" in one:
            assert one["environment"]["KEDGE_STREAM__REPLICATION_FACTOR"] == 3


def test_no_secret_has_a_default():
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)(:?[-?+]?)", _text())
    assert {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD"} <= {name for name, _ in secrets}
    for name, how in secrets:
        assert how == ":?" or f"${{{name}:-}}" in _text(), name
    offered = (ROOT / ".env.example").read_text()
    for line in offered.splitlines():
        assert line.startswith("#") or line.endswith("="), line


def test_what_is_mounted_from_here_is_here():
    for one in EVERY.values():
        for mount in one.get("volumes", ()):
            source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", mount).split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), mount
            else:
                assert source in COMPOSE["volumes"], mount


def test_prometheus_and_grafana_ask_for_what_there_is():
    web = Metrics()
    web.request("GET", "/", 200, 0.1)
    web.ready("kafka", reached=True)
    there = set(re.findall(r"^kedge_\w+", web.exposition().decode(), re.MULTILINE))
    asked = set()
    for file in (ROOT / "infra/prometheus/rules.yml", *(ROOT / "infra/grafana").rglob("*.json")):
        if file.suffix == ".json":
            json.loads(file.read_text())
        asked |= set(re.findall(r"\bkedge_\w+", file.read_text()))
    assert asked
    assert asked <= there


def _text():
    return (ROOT / "docker-compose.yml").read_text()
