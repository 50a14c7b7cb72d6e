"""What is posted in each format, held against the published limits and field lists."""

import json
import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.errors import KedgeError
from kedge.policy import Policy, Rule, Watch, Webhook, alert_record
from kedge.settings import Settings
from kedge.webhooks.notification import Notification
from kedge.webhooks.request import Destination
from kedge.webhooks.secrets import destination
from statistic_records import MINUTE, increase, window
from webhook_alerts import alert as an_alert

TEXTS = st.text(min_size=1, max_size=200)
HOSTILE = "<!channel> & <https://example.com|click>"
DECISION = {
    "action": "rolled_back",
    "from_release": 2,
    "to_release": 1,
    "generation": 3,
    "reason": "release 1 was healthy",
    "decided_at": 1_700_000_000_000_000,
}


def _alerts(rule="missing", model="flights", severity="critical"):
    """One that fires and one that resolves it."""
    made = Rule(name=rule, statistic="missing_increase", above=0.1, severity=severity)
    watch = Watch(Policy(model="*", rules=(made,)), model, "production", MINUTE)
    changes = [
        change
        for minute, value in enumerate((0.5, 0.0), 1)
        for change in watch.observe(window(1, minute, increase(value)))
    ]
    firing, resolved = (alert_record(watch, change, 1_700_000_000_000_000) for change in changes)
    return firing, resolved


def _told(*alerts, firing=None):
    """The notification of these alerts, of one group."""
    group = {"model": alerts[0]["model"], "environment": "production", "rule": alerts[0]["rule"]}
    fires = any(each["status"] == "firing" for each in alerts) if firing is None else firing
    return Notification.of("oncall", group, alerts, 1_700_000_000_000_000, firing=fires)


def _posted(kind, *alerts, **options):
    webhook = Webhook(
        name="oncall",
        format=kind,
        url="https://example.com/hook",
        routing_key_env="KEY" if kind == "pagerduty" else None,
    )
    to = Destination(webhook, webhook.url, routing_key="R0UTE")
    return json.loads(to.body(_told(*alerts, **options)))


def test_alertmanagers_payload_has_the_fields_of_version_4():
    firing, resolved = _alerts()
    on, off = (_posted("alertmanager", alert) for alert in (firing, resolved))
    # https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    assert set(on) == {
        *("version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels"),
        *("commonLabels", "commonAnnotations", "externalURL", "alerts"),
    }
    (one,), (other,) = on["alerts"], off["alerts"]
    assert set(one) == {
        *("status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"),
    }
    assert (on["version"], on["receiver"]) == ("4", "oncall")
    assert (on["status"], off["status"]) == ("firing", "resolved")
    # By these a receiver knows that the second is about the first.
    assert (one["labels"], one["fingerprint"]) == (other["labels"], other["fingerprint"])
    assert re.fullmatch("[0-9a-f]{16}", one["fingerprint"])
    assert datetime.fromisoformat(one["startsAt"]) < datetime.fromisoformat(other["endsAt"])
    assert datetime.fromisoformat(one["endsAt"]).year == 1
    texts = [*one["labels"].values(), *one["annotations"].values()]
    assert all(isinstance(text, str) for text in texts)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=9))
def test_alertmanagers_common_labels_are_those_of_every_alert(given_alerts):
    alerts = [
        an_alert(
            id=str(number),
            incident=str(number),
            column=column,
            status="firing" if fires else "resolved",
            ends_at=None if fires else 9,
        )
        for number, (column, fires) in enumerate(given_alerts)
    ]
    made = _posted("alertmanager", *alerts)
    for kind in ("labels", "annotations"):
        every = [set(each[kind].items()) for each in made["alerts"]]
        assert set(made[f"common{kind.title()}"].items()) == set.intersection(*every)
    assert made["groupLabels"].items() <= made["commonLabels"].items()
    assert made["groupKey"] == ('{}:{alertname="drift", environment="production", model="flights"}')
    assert len(made["alerts"]) == len(alerts)


def _drifting(count):
    return [
        an_alert(id=f"a{n:03}", incident=f"i{n:03}", column=f"f{n:03}", summary=f"f{n:03} drifts")
        for n in range(count)
    ]


def test_features_that_drift_together_are_listed():
    alerts = _drifting(20)
    cloud = _posted("cloudevents", *alerts)
    assert cloud["type"] == "io.kedge.alerts.firing"
    assert [each["column"] for each in cloud["data"]["alerts"]] == [a["column"] for a in alerts]
    text = _posted("slack", *alerts)["blocks"][1]["text"]["text"]
    assert text.startswith(
        "20 alerts of release 1: 20 fire, on f000, f001, f002, f003, f004 and 15"
    )
    assert all(f"• {each['summary']}" in text for each in alerts)
    page = _posted("pagerduty", *alerts)
    assert page["payload"]["component"] == "f000, f001, f002, f003, f004 and 15 more"
    assert len(page["payload"]["custom_details"]["alerts"]) == 20


@pytest.mark.parametrize("count", [1, 2, 50, 400])
def test_groups_of_any_size_keep_the_limits(count):
    alerts = [{**each, "summary": "x" * 500} for each in _drifting(count)]
    text = _posted("slack", *alerts)["blocks"][1]["text"]["text"]
    assert len(text) <= 3000
    # https://developer.pagerduty.com/docs/send-alert-event: 512 KB.
    page = _posted("pagerduty", *alerts)
    assert len(json.dumps(page)) < 512_000
    shown = page["payload"]["custom_details"]
    assert len(shown["alerts"]) + shown["alerts_left_out"] == count


def test_a_group_is_one_incident_of_pagerduty_until_all_of_it_is_over():
    one, other = _drifting(2)
    ended = {**one, "id": "over", "status": "resolved", "ends_at": 9}
    pages = [
        _posted("pagerduty", one),
        _posted("pagerduty", ended, other),
        _posted("pagerduty", ended, firing=True),
        _posted("pagerduty", {**other, "status": "resolved", "ends_at": 9}),
    ]
    assert len({page["dedup_key"] for page in pages}) == 1
    assert [page["event_action"] for page in pages] == ["trigger"] * 3 + ["resolve"]


@given(rule=TEXTS, model=TEXTS)
def test_slacks_message_keeps_its_limits_and_mentions_nobody(rule, model):
    alert, _ = _alerts(HOSTILE + rule, model)
    alert["decision"] = DECISION | {"reason": HOSTILE + "x" * 4000}
    message = _posted("slack", alert)
    header, section, context = message["blocks"]
    assert header["text"]["type"] == "plain_text"
    assert len(header["text"]["text"]) <= 150
    assert len(section["text"]["text"]) <= 3000
    for text in (message["text"], section["text"]["text"], context["elements"][0]["text"]):
        assert not re.search("[<>]|&(?!amp;|lt;|gt;)", text)


VERDICT = {"blame": "code", "because": ["Release 1 is healthy.", "Release 2 is not."]}


def test_receivers_are_told_whose_fault_it_is():
    alert, _ = _alerts()
    alert["verdict"] = VERDICT
    annotations = _posted("alertmanager", alert)["commonAnnotations"]
    assert annotations["blame"] == "code"
    assert annotations["because"] == "Release 1 is healthy. Release 2 is not."
    (told,) = _posted("pagerduty", alert)["payload"]["custom_details"]["alerts"]
    assert told["verdict"] == VERDICT
    (told,) = _posted("cloudevents", alert)["data"]["alerts"]
    assert told["verdict"] == VERDICT


def test_the_summary_says_whose_fault_it_is_in_every_format():
    rule = Rule(name="missing", statistic="missing_increase", above=0.1)
    watch = Watch(Policy(model="*", rules=(rule,)), "flights", "production", MINUTE)
    watch.observe(window(1, 0, increase(0.0)))
    (fired,) = watch.observe(window(2, 1, increase(0.5)))
    alert = alert_record(watch, fired.with_incident(watch.judged(fired.incident)), 0)
    blame = "Blame: code, because missing_increase of feature dep_delay is 0.5 in release 2. "
    assert blame in alert["summary"]
    for kind in ("cloudevents", "alertmanager", "slack", "pagerduty"):
        assert blame in json.dumps(_posted(kind, alert))


def test_slack_is_told_what_was_done():
    alert, _ = _alerts()
    alert["decision"] = DECISION
    section = _posted("slack", alert)["blocks"][1]["text"]["text"]
    assert section.startswith(alert["summary"])
    assert "*Rolled back.* release 1 was healthy" in section


@given(rule=TEXTS, severity=st.sampled_from(["info", "warning", "critical"]))
def test_pagerdutys_incident_is_opened_and_resolved_by_one_key(rule, severity):
    opened, closed = (_posted("pagerduty", alert) for alert in _alerts(rule, severity=severity))
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"]
    assert len(opened["dedup_key"]) <= 255
    payload = opened["payload"]
    assert payload["severity"] == severity
    assert 0 < len(payload["summary"]) <= 1024
    assert {"summary", "source", "severity"} <= set(payload)
    assert opened["routing_key"] == "R0UTE"


def test_what_is_secret_comes_from_the_environment(monkeypatch):
    settings = Settings()
    slack = Webhook(name="slack", format="slack", url_env="SLACK_URL")
    with pytest.raises(KedgeError, match="'slack' has no URL to post to: set SLACK_URL"):
        destination(slack, settings)
    monkeypatch.setenv("SLACK_URL", "https://hooks.slack.com/services/T0/B0/s3cr3t")
    found = destination(slack, settings)
    assert found.url == "https://hooks.slack.com/services/T0/B0/s3cr3t"
    assert found.signer is None
    assert "s3cr3t" not in repr(found)
    monkeypatch.setenv("SLACK_URL", "http://hooks.slack.com/services/T0/B0/s3cr3t")
    with pytest.raises(KedgeError, match="SLACK_URL holds plain http") as refused:
        destination(slack, settings)
    assert "T0/B0" not in str(refused.value)
    pager = Webhook(name="pager", format="pagerduty", routing_key_env="PAGER_KEY")
    monkeypatch.setenv("PAGER_KEY", "k3y")
    found = destination(pager, settings)
    assert (found.url, found.routing_key) == ("https://events.pagerduty.com/v2/enqueue", "k3y")
    assert "k3y" not in repr(found)
