"""Pages of every list put together against the list itself, while others add to it."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kedge.archive import connect
from kedge.registry import Registry
from kedge.web.archive import ArchiveReader
from kedge.web.listed import ALERTS, INCIDENTS, SERIES, STATISTICS, WINDOWS
from registry.building import a_reference, release, write
from statistic_records import MINUTE, increase, statistic, window
from web.asking import API, archived, client, serving, web_settings
from web.records import Decided, alert


def turned(asking, path, limit, between=lambda: None, **filters):
    """All items of a list, page by page; `between` is done after each."""
    items, cursor = [], None
    while True:
        given = {**filters, "limit": limit, **({"cursor": cursor} if cursor else {})}
        answer = asking.get(path, params=given)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= limit
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            return items
        assert len(page["items"]) == limit
        between()


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """Lists of many lengths, in the registry and in the archive."""
    settings = web_settings(tmp_path_factory.mktemp("listed"))
    # Of many entries made in the same microsecond, the id decides the order.
    moments = iter(range(10_000))
    with Registry.open(settings, now=lambda: next(moments) // 7) as registry:
        release(registry, settings.home / "source", 5)
        for name in "bca":
            artifact = write(settings.home / f"{name}.json", name)
            for value in range(4):
                registry.register_model(name, artifact, a_reference(float(value)), actor="a")
        for seen in range(9):
            registry.move_alias(
                "m", "p", 1 + seen % 3, expected_generation=seen, actor="a", reason=""
            )
            registry.refuse("m", "p", f"i{seen}", actor="a", reason="why")
        for number in range(6):
            registry.tokens.create(f"t{number}", "read", actor="a")
        token, _ = registry.tokens.create("admin", "admin", actor="a")
        archived(settings, "statistics", "statistic", _windows())
        archived(settings, "alerts", "alert", _alerts())
        with serving(settings), client(settings, token) as asking:
            yield asking, registry, settings


def _windows():
    for minute in range(5):
        for number in (1, 2):
            yield window(
                number,
                minute,
                increase(0.1 * minute),
                increase(None, column="carrier"),
                statistic("volume", 5.0, segment="carrier=AA"),
                statistic("missing_rate", 0.5, role="feature", column="x", kind="null"),
                statistic("missing_rate", 0.5, role="feature", column="x"),
                model="m",
            )
    # The last word on a window is what counts, and other models' are others'.
    yield window(1, 2, increase(0.9), model="m", revision=1)
    yield window(1, 2, increase(0.9), model="other")
    yield window(1, 0, increase(0.2), model="m", minutes=5)
    yield window(1, 0, statistic("rmse", 2.0), model="m", part="performance")


def _alerts():
    for minute in range(5):
        yield alert(minute, incident=f"i{minute % 2}", starts_at=minute % 2)
    yield alert(6, incident="i1", status="resolved", starts_at=1, ends_at=5)
    yield alert(7, incident="i0", starts_at=0, decided=Decided("rolled_back", 1))
    yield alert(7, incident="j", model="other", severity="critical")
    yield from _told_in_full()


def _told_in_full():
    """One that is rolled back for, after a person agreed, and that this did not help at first."""
    verdict = {"blame": "code", "because": ["Release 1 is healthy.", "It has the same model."]}
    onset = {"onset": 3 * MINUTE, "onset_earliest": 2 * MINUTE, "onset_latest": 4 * MINUTE}
    alike = {"incident": "told", "model": "full", "starts_at": MINUTE, "verdict": verdict}
    asked = Decided("proposed", None, proposal=4)
    moved = Decided("rolled_back", 1, proposal=4, generation=3)
    yield alert(1, **alike, **onset, decided=asked, step="fired")
    yield alert(2, **alike, **onset, decided=moved, step="decided")
    yield alert(3, **alike, decided=moved, step="not_helped")
    yield alert(4, **alike, decided=moved, step="recovered", status="resolved")


@given(limit=st.integers(1, 12))
@hypothesis_settings(max_examples=12)
def test_pages_of_the_registry_put_together_are_the_list(listed, limit):
    asking, registry, _ = listed
    m = f"{API}/models/m"
    for path, key, expected in (
        (f"{API}/models", "name", registry.models()),
        (f"{API}/models/a/versions", "id", [v.id for v in registry.model_versions("a")][::-1]),
        (f"{m}/code", "id", [v.id for v in registry.code_versions("m")][::-1]),
        (f"{m}/releases", "number", [5, 4, 3, 2, 1]),
        (f"{m}/aliases/p/history", "generation", list(range(9, 0, -1))),
        (f"{m}/aliases/p/refusals", "incident", [f"i{n}" for n in range(8, -1, -1)]),
    ):
        assert [item[key] for item in turned(asking, path, limit)] == expected, path
    names = [item["name"] for item in turned(asking, f"{API}/tokens", limit)]
    by_age = sorted(registry.tokens.all(), key=lambda t: (t.created_at, t.name), reverse=True)
    assert names == [token.name for token in by_age]


@given(limit=st.integers(1, 25), release=st.sampled_from([None, 1, 2]))
@hypothesis_settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_pages_of_the_archive_put_together_are_what_the_views_have(listed, limit, release):
    asking, _, settings = listed
    filters = {} if release is None else {"release": release}
    wanted = "model = 'm'" + ("" if release is None else f" AND release = {release}")
    with connect(settings.archive_url) as connection:

        def count(query):
            return sorted(map(str, connection.sql(query).fetchall()))

        told = turned(asking, f"{API}/models/m/statistics", limit, **filters)
        columns = (
            "release, epoch_us(window_start), part, statistic, column_name, kind, segment, value"
        )
        assert len(told) == len(count(f"SELECT {columns} FROM statistics WHERE {wanted}"))
        assert len({json.dumps(item, sort_keys=True) for item in told}) == len(told)
        starts = [item["window_start"] for item in told]
        assert starts == sorted(starts, reverse=True)

        windows = turned(asking, f"{API}/models/m/windows", limit, **filters)
        distinct = count(
            "SELECT DISTINCT release, part, window_start, window_end FROM statistics "
            f"WHERE {wanted}"
        )
        assert len(windows) == len(distinct)
        assert sum(item["statistics"] for item in windows) == len(told)

        series = turned(asking, f"{API}/models/m/series", limit, **filters)
        distinct = count(
            "SELECT DISTINCT statistic, role, column_name, kind, segment FROM statistics "
            f"WHERE {wanted}"
        )
        assert len(series) == len(distinct)
        assert sum(item["windows"] for item in series) == len(told)


def test_the_latest_revision_of_a_window_is_told(listed):
    asking, _, _ = listed
    found = turned(
        asking,
        f"{API}/models/m/statistics",
        5,
        statistic="missing_increase",
        column="dep_delay",
        release=1,
        start="1970-01-01T00:02:00Z",
        end="1970-01-01T01:03:00+01:00",
    )
    assert [(item["value"], item["revision"]) for item in found] == [(0.9, 1)]
    (window,) = turned(
        asking, f"{API}/models/m/windows", 5, part="performance", start="1970-01-01T00:00:00Z"
    )
    assert (window["rows"], window["statistics"]) == (1000, 1)


@given(limit=st.integers(1, 5))
@hypothesis_settings(max_examples=5)
def test_incidents_are_as_their_latest_alert_has_them(listed, limit):
    asking, _, _ = listed
    alerts = turned(asking, f"{API}/alerts", limit, model="m")
    assert len(alerts) == 7
    critical = turned(asking, f"{API}/alerts", limit, severity="critical")
    assert [item["model"] for item in critical] == ["other"]
    assert len(turned(asking, f"{API}/alerts", limit, model="m", status="resolved")) == 1
    incidents = turned(asking, f"{API}/incidents", limit, model="m")
    told = [
        (i["incident"], i["status"], i["alerts"], i["decision_action"], i["decision_to_release"])
        for i in incidents
    ]
    assert told == [("i1", "resolved", 3, None, None), ("i0", "firing", 4, "rolled_back", 1)]


def test_an_incident_says_whose_fault_since_when_what_was_done_and_whether_it_helped(listed):
    asking, _, _ = listed
    (incident,) = turned(asking, f"{API}/incidents", 5, model="full")
    told = {
        "verdict": "code",
        "verdict_because": ["Release 1 is healthy.", "It has the same model."],
        "onset": "1970-01-01T00:03:00Z",
        "onset_earliest": "1970-01-01T00:02:00Z",
        "onset_latest": "1970-01-01T00:04:00Z",
        "decision_action": "rolled_back",
        "decision_to_release": 1,
        "decision_generation": 3,
        "decision_proposal": 4,
        "decision_reason": "why",
    }
    assert {key: incident[key] for key in told} == told
    assert incident["helped"] is True
    alerts = turned(asking, f"{API}/alerts", 5, model="full")
    assert [each["step"] for each in alerts] == ["recovered", "not_helped", "decided", "fired"]
    assert {key: alerts[2][key] for key in told} == told
    assert (alerts[0]["onset"], alerts[0]["verdict"]) == (None, "code")
    (other,) = turned(asking, f"{API}/incidents", 5, model="other")
    assert (other["helped"], other["verdict"]) == (None, None)


def test_what_is_added_between_two_pages_shifts_nothing(operator, registry):
    code = registry.code_versions("m")[0].id
    version = registry.model_versions("m")[0].id

    def add():
        registry.create_release("m", version, code, actor="a")

    items = turned(operator, f"{API}/models/m/releases", 1, between=add)
    assert [item["number"] for item in items] == [3, 2, 1]
    later = turned(operator, f"{API}/models/m/releases", 2)
    assert [item["number"] for item in later] == [5, 4, 3, 2, 1]


def _forged(*said):
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "ö",
        _forged("releases"),
        _forged("releases", "1"),
        _forged("releases", *[True]),
        _forged("releases", 2**70),
        _forged("models", 1),
        _forged("releases", 1, 1),
        base64.urlsafe_b64encode(b"[" * 2500).decode(),
    ],
)
def test_a_cursor_of_somewhere_else_is_refused(listed, cursor):
    asking, _, _ = listed
    answer = asking.get(f"{API}/models/m/releases", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:kedge:problem:invalid")


def test_a_query_that_takes_too_long_is_given_up(listed):
    _, _, settings = listed
    reader = ArchiveReader(settings.archive_url, 0.2)
    with pytest.raises(Exception, match=r"did not answer in 0\.2 seconds"):
        reader.rows("SELECT count(*) FROM range(100000000) a, range(100000000) b", {})
    assert reader.rows("SELECT 1 AS one", {}) == [{"one": 1}]
    reader.close()


def test_every_list_has_a_key_that_tells_all_rows_apart(listed):
    _, _, settings = listed
    reader = ArchiveReader(settings.archive_url, 30.0)
    mine = {"model": "m"}
    for listing, filters in (
        (STATISTICS, mine),
        (WINDOWS, mine),
        (SERIES, mine),
        (ALERTS, {}),
        (INCIDENTS, {}),
    ):
        rows = listing.keyed(reader.rows(*listing.page(filters, None, None, None, 1000)))
        assert len({key for key, _ in rows}) == len(rows) > 0
        for key, _ in rows:
            assert tuple(map(type, key)) == listing.types
    reader.close()
