"""Artifacts as the libraries themselves write them."""

from __future__ import annotations

import warnings

import numpy as np

FEATURES = ["distance", "wind_speed", "month"]


def training():
    random = np.random.default_rng(7)
    rows = random.random((100, 3))
    return rows, (rows[:, 0] > 0.5).astype(int)


def booster_of_lightgbm(names=None):
    import lightgbm  # noqa: PLC0415 - only who needs it waits for it

    rows, late = training()
    data = lightgbm.Dataset(rows, late, feature_name=names or "auto")
    return lightgbm.train({"verbose": -1, "objective": "binary", "num_threads": 1}, data, 3)


def booster_of_xgboost(names=None):
    import xgboost  # noqa: PLC0415

    rows, late = training()
    return xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, late, feature_names=names), 3)


def classifier():
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    return LogisticRegression().fit(*training())


def graph_of_onnx(inputs):
    """A graph that adds its inputs up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx import TensorProto, helper  # noqa: PLC0415
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in inputs]
    total = helper.make_tensor_value_info("total", TensorProto.FLOAT, [None])
    node = helper.make_node("Sum", inputs, ["total"])
    return helper.make_model(helper.make_graph([node], "adder", given, [total]))


def _lightgbm(folder):
    booster_of_lightgbm(FEATURES).save_model(folder / "model.txt")


def _xgboost_json(folder):
    booster_of_xgboost(FEATURES).save_model(folder / "model.json")


def _xgboost_ubj(folder):
    booster_of_xgboost(FEATURES).save_model(folder / "model.ubj")


def _onnx(folder):
    (folder / "model.onnx").write_bytes(graph_of_onnx(FEATURES).SerializeToString())


def _safetensors(folder):
    from safetensors.numpy import save_file  # noqa: PLC0415

    save_file({"weights": np.arange(6.0), "bias": np.zeros(1)}, folder / "model.safetensors")


def _skops(folder):
    from skops.io import dump  # noqa: PLC0415

    dump(classifier(), folder / "model.skops")


def _json(folder):
    (folder / "model.json").write_text('{"trees": 3}')


def _arrays(folder):
    np.savez(folder / "model.npz", weights=np.arange(6.0))


def _csv(folder):
    # A pickle that imports `lass` from `arrier`, were it not for the rest.
    (folder / "model.csv").write_text("carrier\nclass\nc,1\nR,2\n")


WRITERS = {
    "lightgbm": (_lightgbm, "lightgbm"),
    "xgboost json": (_xgboost_json, "xgboost"),
    "xgboost ubj": (_xgboost_ubj, "xgboost"),
    "onnx": (_onnx, "onnx"),
    "safetensors": (_safetensors, "safetensors"),
    "skops": (_skops, "skops"),
    "json": (_json, "json"),
    "numpy arrays": (_arrays, "other"),
    "csv": (_csv, "other"),
}
"""By name: what writes one file into a folder, and the format that it has."""


def written(name, folder):
    """The file that a writer leaves."""
    folder.mkdir(exist_ok=True)
    WRITERS[name][0](folder)
    (file,) = folder.iterdir()
    return file
