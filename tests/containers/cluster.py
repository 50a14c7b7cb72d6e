"""The real compose file as a project of its own, and who asks its web service."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path

import httpx

from web.asking import API, free_port

ROOT = Path(__file__).parents[2]
WINDOW = 5
BROKERS = ("kafka-1", "kafka-2", "kafka-3")
KAFKA = {"bootstrap.servers": "127.0.0.1:19092,127.0.0.1:19093,127.0.0.1:19094"}


class Cluster:
    """Everything that docker-compose.yml starts, with archive and artifacts in S3.

    Args:
        without: services to leave out, whose image can't be had.
    """

    def __init__(self, without: list[str]) -> None:
        self.project = f"kedge-test-{secrets.token_hex(3)}"
        self._port = free_port()
        self._without = without
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("KEDGE_", "AWS_"))},
            # What a URL would have to escape.
            "POSTGRES_PASSWORD": f"{secrets.token_hex(8)}@/:%41",
            "GRAFANA_PASSWORD": secrets.token_hex(8),
            "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
            "AWS_ENDPOINT_URL": "http://s3:7070",
            "AWS_REGION": "us-east-1",
            "KEDGE_REGISTRY__ARTIFACTS": "s3://kedge/artifacts",
            "KEDGE_ARCHIVE__URL": "s3://kedge/archive",
            "KEDGE_STREAM__WINDOW": str(WINDOW),
            "KEDGE_WEB_ADDRESS": f"127.0.0.1:{self._port}",
            "GRAFANA_ADDRESS": f"127.0.0.1:{free_port()}",
        }

    def compose(self, *arguments: str) -> str:
        """The output of `docker compose …` on this project."""
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, "--profile", "s3", *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr[-3000:]}"
        return done.stdout

    def up(self) -> None:
        """Start what does not run, and wait until all are healthy or done."""
        wanted = set(self.compose("config", "--services").split()) - set(self._without)
        self.compose("up", "--detach", "--wait", *sorted(wanted))

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "5")

    def containers(self) -> dict[str, dict]:
        """What the engine says of each container, by its service."""
        ids = self.compose("ps", "--all", "--quiet").split()
        told = subprocess.run(
            ["docker", "inspect", *ids], capture_output=True, text=True, check=True
        ).stdout
        service = "com.docker.compose.service"
        return {one["Config"]["Labels"][service]: one for one in json.loads(told)}

    def client(self) -> httpx.Client:
        """Somebody who may do everything, by a token made in the web service's container."""
        name = f"t{secrets.token_hex(4)}"
        made = self.compose(
            "exec", "--no-TTY", "web", "kedge", "token", "create", name, "--scope", "admin"
        )
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}{API}",
            headers={"Authorization": f"Bearer {made.strip()}"},
            timeout=60,
        )
