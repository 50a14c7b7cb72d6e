"""Pure: from statistics to alerts, and from alerts to a decision, by the user's rules."""

from kedge.policy.alerts import alert_record
from kedge.policy.decision import Case, GoBack, Move, Refused, WentBack, decide
from kedge.policy.incidents import Change, Incident
from kedge.policy.parsing import PolicyError, Problem, parse
from kedge.policy.readings import Reading, Subject, Window, time_text
from kedge.policy.rules import Policy, Rollback, Rule, Severity, Webhook, policy_for
from kedge.policy.watch import RELEASES, WINDOWS_BEFORE, Watch

__all__ = [
    "RELEASES",
    "WINDOWS_BEFORE",
    "Case",
    "Change",
    "GoBack",
    "Incident",
    "Move",
    "Policy",
    "PolicyError",
    "Problem",
    "Reading",
    "Refused",
    "Rollback",
    "Rule",
    "Severity",
    "Subject",
    "Watch",
    "Webhook",
    "WentBack",
    "Window",
    "alert_record",
    "decide",
    "parse",
    "policy_for",
    "time_text",
]
