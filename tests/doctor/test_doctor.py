"""`kedge doctor` on a real Kafka: a healthy system, one with gaps, and one that lags."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from counted import TAGS, TIME, message, reference
from kedge import LiveRelease, PredictionLogger, archiver, monitor, profiler
from kedge.cli import main
from kedge.contracts import Topics
from kedge.doctor import examine, gather
from services import eventually, produce, release_event, running

WHOLE, GAP, BEHIND = 0, 1, 3


@pytest.fixture
def settings(make_settings, monkeypatch, tmp_path):
    settings = make_settings(archive={"flush_seconds": 0.2})
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path))
    monkeypatch.setenv("KEDGE_TOPIC_PREFIX", settings.topic_prefix)
    monkeypatch.setenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", settings.kafka["bootstrap.servers"])
    topics = Topics(settings.topic_prefix)
    produce(settings.kafka, topics.releases, [release_event("flights", 1, reference())], b"1")
    return settings


def doctor(*options):
    """Its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "kedge", "doctor", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def eventually_said(settings, wanted):
    """The report once `wanted` says so of it and the command shows the same."""

    def look():
        report = examine(gather(settings))
        return report, doctor("--json") if wanted(report) else None

    def agree(seen):
        report, told = seen
        # Between the two, the system may have gone on.
        return told and json.loads(told[1]) == {"status": report.status, **asdict(report)}

    report, (code, _) = eventually(look, agree)
    assert code == {"whole": WHOLE, "gap": GAP, "behind": BEHIND}[report.status]
    return report


def _whole(report):
    return report.lines and report.status == "whole"


def _only_a_gap(report):
    return [finding.severity for finding in report.findings] == ["gap"]


def _sent(settings, *values, key=b"one"):
    produce(settings.kafka, Topics(settings.topic_prefix).predictions, values, key)


def test_a_healthy_system_agrees_from_the_logger_to_the_archive(settings):
    release = LiveRelease("flights", 1, TAGS.model_version, TAGS.code_version)
    log = PredictionLogger(release, kafka=settings.kafka, topic_prefix=settings.topic_prefix)
    names = [log.prediction({"x": float(number)}, None) for number in range(300)]
    log.prediction({"x": 0.0}, None, event_time=2**63)
    names += [log.prediction({"x": 1.0}, None)]
    log.close(30)
    assert log.counts.delivered == len(names)
    # Somebody's retry of what somebody sent.
    _sent(settings, message(["a", "b"], producer=("p", 0)), message(["c"]))
    _sent(settings, message(["a", "b"], producer=("p", 0)))
    with running(profiler.run, monitor.run, archiver.run, settings=settings):
        report = eventually_said(settings, _whole)
        # A person reads the same.
        _, text = eventually(lambda: doctor("--model", "flights"), lambda told: told[0] == WHOLE)
    assert "Everything agrees." in text
    assert "dropped 1 prediction before sending" in text
    sums = {
        name: sum(getattr(line, name) or 0 for line in report.lines)
        for name in ("sent", "dropped", "missing", "received", "profiled", "duplicate", "archived")
    }
    everything = len(names) + 5
    assert sums == {
        "sent": len(names) + 2,
        "dropped": 1,
        "missing": 0,
        "received": everything,
        "profiled": everything - 2,
        "duplicate": 2,
        "archived": everything,
    }


def test_a_gap_in_the_numbers_is_told_once_nothing_can_fill_it(settings):
    early = message(["a"] * 5, producer=("p", 0))
    late = message(["c"] * 5, producer=("p", 15))
    _sent(settings, early, late)
    # Nobody has read them yet.
    report = eventually_said(settings, lambda report: report.status == "behind")
    assert report.lines == []
    with running(profiler.run, monitor.run, archiver.run, settings=settings):
        report = eventually_said(settings, _only_a_gap)
        (finding,) = report.findings
        assert (
            "producer p: sequences 5\N{EN DASH}14 (10 predictions) of model `flights`"
            in finding.text
        )
        assert finding.severity == "gap"
        (line,) = report.lines
        assert (line.sent, line.missing, line.received) == (20, 10, 10)
        # What was lost comes after all: somebody replayed it.
        _sent(settings, message(["b"] * 10, producer=("p", 5)))
        report = eventually(lambda: examine(gather(settings)), _whole)
    assert (report.lines[0].sent, report.lines[0].missing) == (20, 0)


def test_what_is_behind_is_told_by_service(settings):
    _sent(settings, *(message([name]) for name in "abc"), b"junk")
    with running(profiler.run, settings=settings):
        eventually(lambda: examine(gather(settings)), lambda report: report.lines)
    report = eventually_said(settings, lambda report: report.lines)
    assert report.status == "behind"
    said = [finding.text for finding in report.findings if finding.severity == "behind"]
    prefix = settings.topic_prefix
    (unarchived,) = [text for text in said if "not archived yet" in text]
    assert "3 received but not archived yet: the archiver has not begun." in unarchived
    assert f"archiver is behind by 4 messages of {prefix}.predictions." in said
    assert any(t.startswith("monitor is behind by") and t.endswith(".profiles.") for t in said)
    assert not [text for text in said if text.startswith("profiler")]
    _sent(settings, message(["d"]))
    said = [finding.text for finding in examine(gather(settings)).findings]
    assert f"profiler is behind by 1 message of {prefix}.predictions." in said


def test_what_came_after_its_window_was_final_is_late(settings):
    hour = 3_600_000_000
    _sent(settings, message(["a"]), message(["b"], time=TIME + 3 * hour))
    with running(profiler.run, monitor.run, archiver.run, settings=settings):
        eventually(lambda: examine(gather(settings)), _whole)
        _sent(settings, message(["c", "d"]))
        report = eventually(
            lambda: examine(gather(settings)), lambda r: _whole(r) and r.lines[0].received == 4
        )
    (line,) = report.lines
    assert (line.profiled, line.late) == (4, 2)


def test_a_wrong_archive_is_no_excuse(settings, monkeypatch, tmp_path):
    _sent(settings, message(["a"]))
    with running(profiler.run, monitor.run, archiver.run, settings=settings):
        eventually(lambda: examine(gather(settings)), _whole)
    monkeypatch.setenv("KEDGE_ARCHIVE__URL", str(tmp_path / "elsewhere"))
    code, text = doctor()
    assert code == GAP
    assert "Is KEDGE_ARCHIVE__URL the archiver's?" in text


@pytest.mark.parametrize(
    ("arguments", "variable", "says"),
    [
        (["--model", "fligths"], None, "there are: none"),
        ([], ("KEDGE_TOPIC_PREFIX", "elsewhere"), "no topic elsewhere.predictions"),
    ],
)
@pytest.mark.usefixtures("settings")
def test_what_the_user_can_mend_is_said(monkeypatch, capsys, arguments, variable, says):
    if variable:
        monkeypatch.setenv(*variable)
    monkeypatch.setattr("sys.argv", ["kedge", "doctor", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert says in capsys.readouterr().err
