"""What charts are drawn from, beside the records that it was made of."""

import datetime as dt
import re

import numpy as np
import pytest

from kedge.contracts import columns_of
from kedge.profile import reference_of
from kedge.registry import Registry
from kedge.statistics import CATALOGUE
from registry.building import write
from statistic_records import MINUTE, statistic, window
from web.asking import API, archived, client, serving, web_settings
from web.records import alert

M = f"{API}/models/m"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
COLUMNS = ("x", "carrier")
BUSY = {minute: 1 if minute < 5 else 2 for minute in range(8)}
"""Which release has most rows of each minute; the other one has some as well."""


def value(number, minute, column):
    return number + minute / 10 + COLUMNS.index(column) / 100


def _windows():
    for minute, busiest in BUSY.items():
        for number in (1, 2):
            rows = 1000 if number == busiest else 10
            yield window(
                number,
                minute,
                statistic("rows", float(rows), rows),
                *(
                    statistic("psi", value(number, minute, c), rows, role="feature", column=c)
                    for c in COLUMNS
                ),
                statistic("missing_rate", 0.3, rows, role="feature", column="x"),
                statistic("missing_rate", 0.2, rows, role="feature", column="x", kind="null"),
                statistic("error_rate", None if minute == 3 else minute / 10, rows),
                model="m",
            )
    # What is not of a base window, is of a segment or another model, or was said before.
    yield window(1, 0, statistic("psi", 9.0, role="feature", column="x"), model="m", minutes=5)
    yield window(1, 0, statistic("psi", 9.0, role="feature", column="x"), model="other")
    yield window(1, 0, statistic("accuracy", 9.0, segment="a=b"), model="m", part="performance")
    later = statistic("label_coverage", 0.5)
    yield window(2, 7, later, model="m", part="performance")


def predictions():
    """Of release 1 in minute 2, with every way in which a value may be missing."""
    given = [
        *({"x": float(n % 6), "carrier": ("AA", "UA", "ZZ")[n % 3]} for n in range(30)),
        {"x": None, "carrier": ""},
        {"x": float("nan")},
        {"x": "text", "carrier": 3.0},
    ]
    for number, features in enumerate(given):
        yield {
            "id": str(number),
            "event_time": 2 * MINUTE + number,
            "model": "m",
            "model_version": "mv",
            "code_version": "cv1",
            "release": 1,
            "environment": "production",
            "features": features,
            "outputs": {},
            "imputed": ["x"] if number < 3 else [],
            "latency_ms": 1.0,
            "error": None,
        }


@pytest.fixture(scope="module")
def asking(tmp_path_factory):
    settings = web_settings(tmp_path_factory.mktemp("charts"))
    with Registry.open(settings) as registry:
        rows = [{"x": float(n % 4), "carrier": "AA" if n % 2 else "UA"} for n in range(40)]
        reference = reference_of(columns_of(rows, "feature"))
        artifact = write(settings.home / "source" / "model.json", "{}")
        version = registry.register_model("m", artifact, reference, actor="a")
        for number in (1, 2):
            code = write(settings.home / str(number) / "inference.py", f"NUMBER = {number}\n")
            bundle = registry.register_code("m", code, actor="a")
            registry.create_release("m", version.id, bundle.id, actor="a")
        registry.register_model("z", artifact, reference, actor="a")
        token, _ = registry.tokens.create("t", "read", actor="a")
    archived(settings, "statistics", "statistic", _windows())
    archived(settings, "predictions", "prediction", predictions())
    archived(
        settings,
        "alerts",
        "alert",
        [alert(1), alert(2, incident="j"), alert(3, incident="j", status="resolved")],
    )
    with serving(settings), client(settings, token) as asking:
        yield asking


def get(asking, path, **given):
    answer = asking.get(path, params=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def moment(minute):
    return (EPOCH + dt.timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


def test_the_points_of_a_series_are_its_base_windows_in_every_release(asking):
    series = get(asking, f"{M}/points", statistic="psi", column="x", start=moment(2), end=moment(6))
    assert [each["release"] for each in series] == [1, 2]
    for each in series:
        assert each["starts"] == [moment(minute) for minute in range(2, 6)]
        assert each["ends"] == [moment(minute + 1) for minute in range(2, 6)]
        expected = [value(each["release"], minute, "x") for minute in range(2, 6)]
        assert each["values"] == expected
    # Without a kind it is all kinds together, and without a column the whole window.
    (of_one, _) = get(asking, f"{M}/points", statistic="missing_rate", column="x")
    assert set(of_one["values"]) == {0.3}
    (of_null, _) = get(asking, f"{M}/points", statistic="missing_rate", column="x", kind="null")
    assert set(of_null["values"]) == {0.2}
    assert get(asking, f"{M}/points", statistic="psi") == []


def test_a_matrix_has_the_busiest_release_of_each_window(asking):
    matrix = get(asking, f"{M}/matrix", statistic="psi")
    assert matrix["starts"] == [moment(minute) for minute in BUSY]
    assert matrix["releases"] == list(BUSY.values())
    assert set(matrix["rows"]) == {1000}
    assert {each["column_name"]: each["values"] for each in matrix["columns"]} == {
        column: [value(number, minute, column) for minute, number in BUSY.items()]
        for column in COLUMNS
    }
    of_one = get(asking, f"{M}/matrix", statistic="psi", release=2)
    assert set(of_one["releases"]) == {2}


def test_a_release_is_averaged_over_its_rows(asking):
    told = {each["statistic"]: each for each in get(asking, f"{M}/releases/1/averages")}
    assert set(told) == {"rows", "error_rate"}
    minutes = np.array([minute for minute in BUSY if minute != 3])
    weights = [1000 if BUSY[minute] == 1 else 10 for minute in minutes]
    errors = told["error_rate"]
    assert errors["average"] == pytest.approx(np.average(minutes / 10, weights=weights))
    assert (errors["windows"], errors["rows"]) == (7, sum(weights))
    assert (errors["least"], errors["greatest"]) == (0.0, 0.7)
    assert asking.get(f"{M}/releases/9/averages").status_code == 404


def distribution(asking, column, **given):
    where = {"role": "feature", "column": column, "start": moment(2), "end": moment(3)}
    return get(asking, f"{M}/releases/1/distribution", **(where | given))


def test_a_distribution_counts_each_logged_value_once_or_says_why_not(asking):
    told = distribution(asking, "x")
    assert (told["window_rows"], told["reference_rows"]) == (33, 40)
    usable = [row["features"].get("x") for row in predictions() if not row["imputed"]]
    numbers = np.array([each for each in usable if isinstance(each, float)])
    numbers = numbers[~np.isnan(numbers)]
    for each in told["bins"]:
        low = -np.inf if each["low"] is None else each["low"]
        high = np.inf if each["high"] is None else each["high"]
        assert each["window"] == ((numbers >= low) & (numbers < high)).sum(), each["label"]
    assert [each["label"] for each in told["bins"]] == [
        *("below 0", "0 to 1", "1 to 2", "2 to 3", "3", "above 3"),
    ]
    missing = {each["kind"]: each["window"] for each in told["missing"] if each["window"]}
    assert missing == {"imputed": 3, "null": 1, "nan": 1, "wrong_type": 1}
    texts = distribution(asking, "carrier")
    assert {each["label"]: each["window"] for each in texts["bins"]} == {"AA": 10, "UA": 10}
    missing = {each["kind"]: each["window"] for each in texts["missing"] if each["window"]}
    assert missing == {"unseen": 11, "empty": 1, "absent": 1}
    assert distribution(asking, "x", start=moment(5), end=moment(6))["window_rows"] == 0


def test_a_column_that_is_none_of_the_release_has_no_distribution(asking):
    where = {"role": "output", "column": "x", "start": moment(2), "end": moment(3)}
    assert asking.get(f"{M}/releases/1/distribution", params=where).status_code == 404


def test_the_overview_has_the_last_windows_and_what_fires(asking):
    page = get(asking, f"{API}/overview", windows=3)
    m, z = page["items"]
    assert (z["name"], z["windows"], z["open_incidents"]) == ("z", [], [])
    assert [each["incident"] for each in m["open_incidents"]] == ["i"]
    assert [each["window_start"] for each in m["windows"]] == [
        moment(minute) for minute in (5, 6, 7)
    ]
    last = m["windows"][-1]
    assert (last["release"], last["rows"], last["label_coverage"]) == (2, 1010, 0.5)
    assert last["drift"] == value(2, 7, "carrier")
    assert last["missing"] == 0.3
    (only,) = get(
        asking,
        f"{API}/overview",
        windows=3,
        limit=1,
        cursor=get(asking, f"{API}/overview", limit=1)["next"],
    )["items"]
    assert only["name"] == "z"


def test_the_catalogue_and_the_caller_are_told(asking):
    assert [each["name"] for each in get(asking, f"{API}/statistics")] == list(CATALOGUE)
    assert get(asking, f"{API}/caller") == {"name": "t", "scope": "read"}


def test_the_policies_in_force_are_told(tmp_path):
    policy = write(
        tmp_path / "p.toml", 'model = "m"\n[[rules]]\nname = "r"\nstatistic = "psi"\nabove = 0.3\n'
    )
    settings = web_settings(tmp_path, anonymous_reads=True)
    settings = settings.model_copy(
        update={"alerting": settings.alerting.model_copy(update={"policy": policy})}
    )
    with serving(settings), client(settings) as asking:
        (told,) = get(asking, f"{API}/policies")
        assert (told["model"], told["rules"][0]["above"]) == ("m", 0.3)
        policy.write_text("model = 3")
        answer = asking.get(f"{API}/policies")
        assert answer.status_code == 503
        assert re.search(r"model", answer.json()["detail"])
