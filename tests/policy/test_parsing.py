import json
import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.errors import KedgeError
from kedge.performance.concept_drift import DEFAULT_DETECTOR, DETECTORS
from kedge.policies import load
from kedge.policy import PolicyError, detectors_of, parse, policy_for
from kedge.policy.parsing import line_of
from kedge.settings import StreamSettings
from kedge.statistics import CATALOGUE

RULE = '[[rules]]\nname = "r"\nstatistic = "psi"\nabove = 0.25\n'
HEAD = 'model = "flights"\n'
DRIFT = '[[rules]]\nname = "{}"\nstatistic = "concept_drift"\nabove = 0\n{}\n'


def _problems(text):
    with pytest.raises(PolicyError) as caught:
        parse(text, "policy.toml")
    return caught.value.problems


def _marked(text):
    """The text, and the line that says so in a comment."""
    (line,) = [n for n, each in enumerate(text.splitlines(), 1) if each.endswith("# <-- here")]
    return line


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ('model = "m"\nalais = "p" # <-- here\n' + RULE, "alais", "did you mean 'alias'"),
        (HEAD + RULE + "abvoe = 1 # <-- here", "rules[0].abvoe", "did you mean 'above'"),
        (
            HEAD
            + RULE
            + '[[rules]]\nname = "b"\nstatistic = "missing_incrase" # <-- here\nabove=1',
            "rules[1].statistic",
            "did you mean 'missing_increase'",
        ),
        (HEAD + RULE + "min_rows = -1 # <-- here", "rules[0].min_rows", "greater than or equal"),
        (HEAD + RULE + 'min_rows = "200" # <-- here', "rules[0].min_rows", "valid integer"),
        (HEAD + RULE + "below = 0.1 # <-- here", "rules[0].below", "one threshold"),
        (HEAD + RULE + 'kind = "null" # <-- here', "rules[0].kind", "psi has no kinds"),
        (
            HEAD + '[[rules]]\nname="r"\nstatistic="missing_rate"\nabove=0\nkind="nul" # <-- here',
            "rules[0].kind",
            "'nul' is none of absent, null",
        ),
        (
            HEAD + '[[rules]]\nname = "r"\nstatistic = "rows" # <-- here\n',
            "rules[0].statistic",
            "one threshold",
        ),
        (
            HEAD + '[[rules]]\nname = "r"\nstatistic = "error_rate"\nabove = 10 # <-- here\n',
            "rules[0].above",
            "0.1 for 10 %",
        ),
        (
            HEAD + '[[rules]]\nname="r"\nstatistic="rows"\nbelow=1\ncolumns=["a"] # <-- here\n',
            "rules[0].columns",
            "not a column",
        ),
        (HEAD + '[[rules]] # <-- here\nstatistic = "psi"\nabove = 1\n', "rules[0].name", "missing"),
        (HEAD + RULE + '[rollback]\nmode = "dryrun" # <-- here', "rollback.mode", "'dry-run'"),
        (HEAD + RULE + RULE.replace('"r"', '"r" # <-- here'), "rules[1].name", "second one"),
        (
            HEAD + RULE + '[[webhooks]]\nname = "a"\nurl = "http://example.com/" # <-- here',
            "webhooks[0].url",
            "use https",
        ),
        (
            HEAD + RULE + '[[webhooks]]\nname = "a"\nurl = "https://u:p@example.com/" # <-- here',
            "webhooks[0].url",
            "credentials",
        ),
        (
            HEAD + RULE + '[[webhooks]]\nname = "a"\nurl = "hook" # <-- here',
            "webhooks[0].url",
            "URL",
        ),
        (
            HEAD
            + RULE
            + '[[webhooks]]\nname="a"\nurl="https://example.com"\nurl_env="U" # <-- here',
            "webhooks[0].url_env",
            "either `url` or `url_env`",
        ),
        (
            HEAD + RULE + '[[webhooks]]\nname = "a" # <-- here\nformat = "slack"',
            "webhooks[0].name",
            "needs `url`",
        ),
        (
            HEAD + RULE + '[[webhooks]]\nname = "a"\nformat = "pagerduty" # <-- here',
            "webhooks[0].format",
            "needs `routing_key_env`",
        ),
        (
            HEAD
            + RULE
            + '[[webhooks]]\nname="a"\nurl="https://example.com"\nrouting_key_env="K" # <-- here',
            "webhooks[0].routing_key_env",
            "cloudevents has no routing key",
        ),
        (
            HEAD + RULE + '[[webhooks]]\nname = "a b" # <-- here\nurl = "https://example.com"',
            "webhooks[0].name",
            "pattern",
        ),
        (
            HEAD + RULE + "columns = [ # <-- here\n  'a',\n  3,\n]\n",
            "rules[0].columns[1]",
            "string",
        ),
        (HEAD + "[[rules]]\nname = # <-- here\n", "", "no TOML"),
        ("# <-- here\n" + RULE, "model", "missing"),
        (HEAD + RULE.replace("above = 0.25", "above = nan # <-- here"), "rules[0].above", "finite"),
        (HEAD + RULE + "every_seconds = 60 # <-- here", "rules[0].every_seconds", "window_seconds"),
        (
            HEAD + RULE + "window_seconds = 60\nevery_seconds = 90 # <-- here",
            "rules[0].every_seconds",
            "gaps",
        ),
        (
            HEAD + '[[rules]]\nname = "r"\nstatistic = "predictions_missing"\nabove = 0\n'
            "window_seconds = 3600 # <-- here\n",
            "rules[0].window_seconds",
            "base windows only",
        ),
        (
            HEAD + DRIFT.format("r", 'kind = "adwim" # <-- here'),
            "rules[0].kind",
            "'adwim' is none of adwin, page_hinkley",
        ),
        (
            HEAD + DRIFT.format("r", "evidence_above = 10 # <-- here"),
            "rules[0].evidence_above",
            "without evidence",
        ),
        (
            HEAD + '[[rules]]\nname="r"\nstatistic="mae"\nabove=1\nsegment="age=[3,1)" # <-- here',
            "rules[0].segment",
            "ends before it begins",
        ),
        (HEAD + RULE + '[rhythm]\nseason = "dayly" # <-- here', "rhythm.season", "day, week, or"),
        (HEAD + RULE + "[rhythm]\nseason = 0 # <-- here", "rhythm.season", "greater than 0"),
        (HEAD + RULE + "[rhythm] # <-- here\nslots = 3", "rhythm.season", "is missing"),
        (
            HEAD
            + '[[rules]]\nname = "r"\nstatistic = "accuracy"\nbelow = 0.9\n'
            + "window_seconds = 120\nevery_seconds = 60 # <-- here",
            "rules[0].every_seconds",
            "follow each other",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_would_be_right(text, key, says):
    (problem,) = _problems(text)
    assert problem.key == key
    assert problem.line == _marked(text)
    assert says in f"{problem.wrong} {problem.right}"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file():
    text = HEAD + RULE + "abvoe = 1\n" + RULE.replace('"r"', "3") + "[rollback]\nmode = 1\n"
    assert [p.key for p in _problems(text)] == ["rules[0].abvoe", "rules[1].name", "rollback.mode"]
    with pytest.raises(KedgeError, match=r"policy\.toml, line 6: rules\[0\]\.abvoe: no such key"):
        parse(text, "policy.toml")


def test_a_secret_does_not_come_back_in_an_error():
    text = HEAD + RULE + '[[webhooks]]\nname = "a"\nurl = "https://me:hunter2@example.com/"'
    (problem,) = _problems(text)
    assert "hunter2" not in repr(problem)


def test_the_whole_of_a_policy():
    policy = parse(
        """
        model = "flights"
        environment = "production"
        [[rules]]
        name = "an input goes missing"
        statistic = "missing_rate"
        role = "feature"
        columns = ["dep_*", "wind"]
        kind = "null"
        above = 0.1
        windows = 2
        severity = "critical"
        action = "rollback"
        [rollback]
        cooldown_seconds = 60
        [[webhooks]]
        name = "oncall"
        url = "http://127.0.0.1:9000/hook"
        severities = ["critical"]
        """,
        "policy.toml",
    )
    (rule,), (webhook,) = policy.rules, policy.webhooks
    assert rule.covers("missing_rate", "feature", "dep_delay", "null")
    assert rule.covers("missing_rate", "feature", "wind", "null")
    for other in (
        ("missing_rate", "feature", "dep_delay", None),
        ("missing_rate", "output", "dep_delay", "null"),
        ("missing_rate", "feature", "DEP_delay", "null"),
        ("missing_rate", "feature", "winds", "null"),
        ("psi", "feature", "wind", "null"),
    ):
        assert not rule.covers(*other)
    assert (rule.min_rows, policy.alias, policy.rollback.most_per_day) == (200, "production", 3)
    assert (rule.is_over(0.1, 0.1), rule.is_over(0.11, 0.11)) == (False, True)
    assert webhook.retry_seconds[0] == 5


def test_a_rule_is_about_all_rows_or_about_segments():
    text = HEAD + '[[rules]]\nname = "worse"\nstatistic = "recall"\nbelow = 0.5\n'
    (whole,) = parse(text, "policy.toml").rules
    (origins,) = parse(text + 'segment = "origin=*"', "policy.toml").rules
    subject = ("recall", None, None, None)
    segments = (None, "origin=JFK", "carrier=AA")
    assert [whole.covers(*subject, segment) for segment in segments] == [True, False, False]
    assert [origins.covers(*subject, segment) for segment in segments] == [False, True, False]


@pytest.mark.parametrize(
    ("season", "slots", "expected"),
    [
        ('"day"', None, (24, 3_600_000_000)),
        ('"week"', None, (168, 3_600_000_000)),
        ('"week"', 7, (7, 86_400_000_000)),
        ("3600", None, (24, 150_000_000)),
        ("7200.0", 2, (2, 3_600_000_000)),
    ],
)
def test_a_rhythm_is_a_season_of_slots(season, slots, expected):
    keys = f"season = {season}\n" + (f"slots = {slots}" if slots else "")
    policy = parse(HEAD + RULE + "[rhythm]\n" + keys, "policy.toml")
    assert policy.rhythm.as_season == expected


def test_a_rule_on_concept_drift_names_its_detector():
    text = HEAD + DRIFT.format("a", "") + DRIFT.format("b", 'kind = "kswin"')
    policies = (parse(text + RULE, "policy.toml"),)
    usual, kswin, _ = policies[0].rules
    subjects = [("concept_drift", None, None, kind) for kind in ("adwin", "kswin")]
    assert [usual.covers(*subject) for subject in subjects] == [True, False]
    assert [kswin.covers(*subject) for subject in subjects] == [False, True]
    assert usual.pace(60).part == "performance"
    assert detectors_of(policies, "flights", "test") == ("adwin", "kswin")
    assert detectors_of(policies, "taxis", "test") == ("adwin",)


def test_every_detector_can_be_named():
    entry = CATALOGUE["concept_drift"]
    assert set(entry.kinds) == set(DETECTORS)
    assert entry.usual_kind == DEFAULT_DETECTOR


def test_only_performance_has_segments():
    (problem,) = _problems(HEAD + RULE + 'segment = "origin=JFK"')
    assert (problem.key, "has no segments" in problem.wrong) == ("rules[0].segment", True)


keys = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
leaves = (
    st.integers(-9, 9) | st.text("ab#[]='", max_size=4) | st.lists(st.integers(0, 9), max_size=3)
)
tables = st.lists(st.dictionaries(keys, leaves, min_size=1, max_size=4), min_size=1, max_size=4)


@given(tables, st.data())
def test_the_line_is_where_the_statement_starts(rows, data):
    lines, where = [], {}
    for index, row in enumerate(rows):
        lines += data.draw(st.lists(st.sampled_from(["", "# a = ["]), max_size=2))
        lines.append("[[t]]")
        for key, value in row.items():
            lines += data.draw(st.lists(st.sampled_from(["", "# [[t]]"]), max_size=2))
            where["t", index, key] = len(lines) + 1
            text = json.dumps(value)
            if isinstance(value, list) and data.draw(st.booleans()):
                text = text.replace("[", "[\n").replace(",", ",\n\n").replace("]", "\n]")
            lines += f"{key} = {text}".split("\n")
    text = "\n".join(lines)
    assert tomllib.loads(text)["t"] == rows
    path = data.draw(st.sampled_from(sorted(where)))
    # Blank lines and comments belong to nothing; the parser takes them before the statement.
    assert line_of(text, path) == where[path]


def test_policies_of_a_folder_are_checked_together(tmp_path):
    (tmp_path / "a.toml").write_text(HEAD + RULE)
    (tmp_path / "b.toml").write_text('model = "*"\n' + RULE)
    (tmp_path / "c.toml").write_text(HEAD + 'environment = "staging"\n' + RULE)
    policies = load(tmp_path, StreamSettings())
    assert policy_for(policies, "flights", "production").environment is None
    assert policy_for(policies, "flights", "staging").environment == "staging"
    assert policy_for(policies, "other", "staging").model == "*"
    assert policy_for(policies[:1], "other", "staging") is None
    (tmp_path / "d.toml").write_text(HEAD + RULE)
    with pytest.raises(KedgeError, match=r"a\.toml and .*d\.toml are both about model 'flights'"):
        load(tmp_path, StreamSettings())


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ("window_seconds = 60", None, ""),
        ("window_seconds = 3600\nevery_seconds = 600", None, ""),
        ("window_seconds = 600 # <-- here", "window_seconds", "there are those of 60, 3600"),
        (
            "window_seconds = 3600\nevery_seconds = 90 # <-- here",
            "every_seconds",
            "no multiple of 120",
        ),
    ],
)
def test_a_rule_looks_at_windows_that_are_published(tmp_path, keys, key, says):
    stream = StreamSettings(slide=120, longer_windows=(3600,))
    file, text = tmp_path / "policy.toml", HEAD + RULE + RULE.replace('"r"', '"s"') + keys
    file.write_text(text)
    if key is None:
        load(file, stream)
        return
    with pytest.raises(PolicyError) as caught:
        load(file, stream)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (_marked(text), f"rules[1].{key}")
    assert says in f"{problem.wrong} {problem.right}"


def test_slots_of_a_season_that_are_shorter_than_a_window_are_refused(tmp_path):
    file, text = tmp_path / "policy.toml", HEAD + RULE + "[rhythm]\nseason = 600 # <-- here\n"
    file.write_text(text)
    with pytest.raises(PolicyError, match="slots of 25 seconds") as caught:
        load(file, StreamSettings())
    assert caught.value.problems[0].line == _marked(text)
    file.write_text(text + "slots = 10")
    load(file, StreamSettings())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("none.toml", None, "no policy file"), ("folder", "", "no *.toml"), ("x", b"\xff", "UTF-8")],
)
def test_what_can_not_be_read_is_said(tmp_path, name, content, says):
    path = tmp_path / name
    if content == "":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(KedgeError, match=re.escape(says)):
        load(path, StreamSettings())


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ('statistic = "psi"\nabove = 0.25\nevidence_above = 1000', None, ""),
        ('statistic = "evidence"\nabove = 1000', None, ""),
        (
            'statistic = "evidence"\nabove = 9\ncolumns = ["x"] # <-- here',
            "columns",
            "about the window",
        ),
        (
            'statistic = "evidence"\nabove = 9\nevidence_above = 9 # <-- here',
            "evidence_above",
            "`above` says it",
        ),
        (
            'statistic = "accuracy"\nbelow = 0.5\nevidence_above = 9 # <-- here',
            "evidence_above",
            "without evidence",
        ),
        (
            'statistic = "psi"\nabove = 1\nevidence_above = 0.5 # <-- here',
            "evidence_above",
            "greater",
        ),
    ],
)
def test_evidence_is_asked_for_beside_an_effect_or_alone(keys, key, says):
    text = f'model = "m"\n[[rules]]\nname = "r"\n{keys}\n'
    if key is None:
        assert parse(text, "policy.toml").rules
        return
    with pytest.raises(PolicyError) as caught:
        parse(text, "policy.toml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (_marked(text), f"rules[0].{key}")
    assert says in f"{problem.wrong} {problem.right}"
