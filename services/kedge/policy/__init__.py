"""Pure: from statistics to alerts, and from alerts to a decision, by the user's rules."""

from kedge.attribution.wording import time_text
from kedge.policy.alerts import alert_record
from kedge.policy.case import Case, Move, Rehearsed, Released
from kedge.policy.decision import GoBack, Refused, WentBack, decide
from kedge.policy.distance import Distance
from kedge.policy.incidents import Change, Incident
from kedge.policy.matchers import LABELS, Inhibition, Inhibitor, Label, Labels, Matchers, labels_of
from kedge.policy.parsing import PolicyError, Problem, parse
from kedge.policy.readings import Reading, Subject, Window
from kedge.policy.rhythm import Rhythm
from kedge.policy.rules import Policy, Rollback, Rule, detectors_of, policy_for
from kedge.policy.telling import Decisions, changes
from kedge.policy.watch import RELEASES, WINDOWS_BEFORE, Watch
from kedge.policy.webhook import Webhook, webhook_url_problem

__all__ = [
    "LABELS",
    "RELEASES",
    "WINDOWS_BEFORE",
    "Case",
    "Change",
    "Decisions",
    "Distance",
    "GoBack",
    "Incident",
    "Inhibition",
    "Inhibitor",
    "Label",
    "Labels",
    "Matchers",
    "Move",
    "Policy",
    "PolicyError",
    "Problem",
    "Reading",
    "Refused",
    "Rehearsed",
    "Released",
    "Rhythm",
    "Rollback",
    "Rule",
    "Subject",
    "Watch",
    "Webhook",
    "WentBack",
    "Window",
    "alert_record",
    "changes",
    "decide",
    "detectors_of",
    "labels_of",
    "parse",
    "policy_for",
    "time_text",
    "webhook_url_problem",
]
