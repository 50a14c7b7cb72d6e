"""The service itself: whether it is ready, what Prometheus gets, and that it stops."""

import shutil
from threading import Event

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kedge.errors import KedgeError
from kedge.settings import Settings
from kedge.web import service
from web.asking import API, client, serving, web_settings


def test_readiness_tells_what_can_not_be_reached(kafka, tmp_path):
    web = web_settings(tmp_path).web
    settings = Settings(home=tmp_path, kafka=kafka, web=web)
    with serving(settings), client(settings) as asking:
        ready = asking.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_a_service_without_its_registry_archive_and_kafka_says_so(tmp_path):
    dead = {"bootstrap.servers": "127.0.0.1:1"}
    settings = Settings(home=tmp_path, kafka=dead, web=web_settings(tmp_path).web)
    with serving(settings), client(settings) as asking:
        for path in tmp_path.glob("registry.db*"):
            with path.open("r+b") as file:
                file.write(b"x" * path.stat().st_size)
        shutil.rmtree(tmp_path / "archive", ignore_errors=True)
        (tmp_path / "archive").write_text("a file")
        told = asking.get("/readyz")
        assert told.status_code == 503
        assert told.json() == {
            "status": "not ready",
            "registry": "unreachable",
            "archive": "unreachable",
            "kafka": "unreachable",
        }
        assert asking.get("/healthz").status_code == 200
        away = asking.get(f"{API}/models", headers={"Authorization": "Bearer kedge_x"})
        assert (away.status_code, away.headers["retry-after"]) == (503, "5")
        metrics = asking.get("/metrics").text
        assert 'kedge_web_ready{dependency="kafka"} 0.0' in metrics


def test_metrics_count_by_template_and_never_by_what_was_asked(reader, stranger):
    for name in ("m", "nope", "other"):
        reader.get(f"{API}/models/{name}")
    reader.get("/not-there-at-all")
    reader.request("BREW", f"{API}/models")
    said = stranger.get("/metrics").text
    families = {f.name: f for f in text_string_to_metric_families(said)}
    counted = {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for s in families["kedge_web_requests"].samples
        if s.name.endswith("_total")
    }
    assert counted["GET", f"{API}/models/{{model}}", "200"] == 1
    assert counted["GET", f"{API}/models/{{model}}", "404"] == 2
    assert counted["GET", "none", "404"] == 1
    assert "nope" not in said
    assert "not-there" not in said
    assert "BREW" not in said


def test_a_port_that_is_taken_is_told(served):
    with pytest.raises(KedgeError, match=f"port {served.web.port}: .*KEDGE_WEB__PORT"):
        service.run(served, Event())


def test_conservation_is_what_the_doctor_says(make_settings, tmp_path):
    settings = make_settings(web=web_settings(tmp_path, anonymous_reads=True).web)
    with serving(settings), client(settings) as asking:
        told = asking.get(f"{API}/conservation").json()
    assert told == {"status": "whole", "lines": [], "findings": []}
