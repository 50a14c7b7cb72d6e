import asyncio

import pytest

from arrivals import canonical
from kedge import KedgeError


def only_row(log, predictions):
    assert log.flush(30)
    (row,) = predictions.rows().values()
    return row


def test_features_output_and_latency_are_logged(log, predictions):
    @log.logged
    def predict(features):
        """Says what it does."""
        features["changed"] = 1
        return {"p": 0.5}

    given = {"x": 2}
    assert predict(given) == {"p": 0.5}
    assert given == {"x": 2, "changed": 1}
    assert predict.__name__ == "predict"
    assert predict.__doc__ == "Says what it does."
    row = only_row(log, predictions)
    assert row["features"] == {"x": canonical(2)}
    assert row["outputs"] == {"p": canonical(0.5)}
    assert row["latency_ms"] >= 0
    assert row["error"] is None


def test_what_it_raises_is_logged_and_raised_on_untouched(log, predictions):
    raised = ZeroDivisionError("the request's private text")

    @log.logged
    def predict(features):
        raise raised if features else ValueError

    with pytest.raises(ZeroDivisionError) as caught:
        predict({"x": 2})
    assert caught.value is raised
    row = only_row(log, predictions)
    assert row["error"] == "ZeroDivisionError"
    assert row["features"] == {"x": canonical(2)}
    assert row["outputs"] == {}


def test_the_parameter_may_be_named_and_given_by_name(log, predictions):
    @log.logged(features="flight")
    def predict(session, *, flight):
        return session * flight["x"]

    assert predict(7, flight={"x": 1}) == 7
    assert only_row(log, predictions)["features"] == {"x": canonical(1)}


def test_methods(log, predictions):
    class Model:
        @log.logged
        def predict(self, row, scale=2):
            return row["x"] * scale

    assert Model().predict({"x": 3}) == 6
    row = only_row(log, predictions)
    assert (row["features"], row["outputs"]) == ({"x": canonical(3)}, {"output": canonical(6)})


def test_coroutines(log, predictions):
    @log.logged
    async def predict(features):
        await asyncio.sleep(0)
        if features["x"] < 0:
            raise ValueError("below zero")
        return features["x"]

    assert asyncio.run(predict({"x": 3})) == 3
    with pytest.raises(ValueError, match="below zero"):
        asyncio.run(predict({"x": -3}))
    assert log.flush(30)
    assert sorted(str(row["error"]) for row in predictions.rows().values()) == [
        "None",
        "ValueError",
    ]


def test_what_can_not_be_logged_does_not_hurt_the_function(log):
    @log.logged
    def predict(features):
        return features

    assert predict(7) == 7
    assert log.counts.invalid == 1
    with pytest.raises(TypeError):
        predict()


def test_an_exit_is_no_failed_inference(log):
    @log.logged
    def predict(features):
        raise SystemExit(features["code"])

    with pytest.raises(SystemExit):
        predict({"code": 3})
    assert log.counts.accepted == 0


def test_a_function_without_such_a_parameter_is_refused(log):
    with pytest.raises(KedgeError, match="no parameter flight: name one of row"):
        log.logged(features="flight")(lambda row: row)
    with pytest.raises(KedgeError, match="no parameter for the features"):
        log.logged(lambda: 1)
