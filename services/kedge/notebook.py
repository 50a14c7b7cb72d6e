"""Verbs for a notebook or a script: register, release, promote, roll back, and connect to ask.

    import kedge

    version = kedge.register(booster, name="flights", reference=train, outputs=["late"])
    release = kedge.release("flights", version, "inference.py", reason="fills in the wind")
    kedge.promote("flights", release)
    kedge.roll_back("flights", reason="worse than before")
    kedge.connect().sql("SELECT release, count(*) FROM predictions GROUP BY ALL")

Each but `connect` opens the registry of the settings (`KEDGE_…`, `kedge.toml`) and closes it. Who
does it is `actor`, else `KEDGE_ACTOR`, else the user of this process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from kedge import archive
from kedge.artifacts.saving import save_model
from kedge.profile import Reference
from kedge.registry import AliasMove, CodeVersion, ModelVersion, Registry, Release
from kedge.registry.actor import current_actor
from kedge.registry.tabular import Truth, read_reference, reference_of_table, table_of
from kedge.settings import Settings


def register(
    model: Any,
    *,
    name: str,
    reference: Any,
    outputs: Collection[str] = (),
    ignored: Collection[str] = (),
    orders: Mapping[str, Sequence[str]] | None = None,
    truth: Truth | str | None = None,
    allow_pickle: bool = False,
    inputs_differ: bool = False,
    actor: str | None = None,
    settings: Settings | None = None,
) -> ModelVersion:
    """Register a version of a model.

    The same content is the same version, however often it is registered. XGBoost, LightGBM, ONNX
    and safetensors write one model as the same bytes each time; skops does not, so a scikit-learn
    model that is registered from memory twice makes two versions.

    Args:
        model: the path of a file or folder, or a model in memory of XGBoost, LightGBM, ONNX or
            scikit-learn, or arrays by name: each is saved in its safe format.
        name: of the model.
        reference: training or validation data, a row an example: a frame of pandas, polars or
            pyarrow, a mapping of columns, a list of mappings, or the path of a .parquet or .csv;
            or a `Reference`.
        outputs: columns that hold what the model predicts.
        ignored: columns that are neither inputs nor outputs: ids, times.
        orders: for a categorical column its categories, from the lowest to the highest.
        truth: the column with what really was, or a `Truth` that says more of it: from it,
            performance is estimated before labels come.
        allow_pickle: that loading the artifact may run code; it is kept who allowed it.
        inputs_differ: that the inference code makes the artifact's inputs of features with other
            names.
        actor: who does it.
        settings: where the registry is.

    Raises:
        KedgeError: something of this can't be; the text says what and what to do.
    """
    orders = orders or {}
    truth = Truth(truth) if isinstance(truth, str) else truth
    if isinstance(reference, str | Path):
        profile = read_reference(
            Path(reference), outputs=outputs, ignored=ignored, orders=orders, truth=truth
        )
    elif isinstance(reference, Reference):
        profile = reference
    else:
        profile = reference_of_table(
            table_of(reference),
            "the reference",
            outputs=outputs,
            ignored=ignored,
            orders=orders,
            truth=truth,
        )
    with tempfile.TemporaryDirectory() as folder, _opened(settings) as registry:
        is_path = isinstance(model, str | Path)
        return registry.register_model(
            name,
            Path(model) if is_path else save_model(model, Path(folder)),
            profile,
            actor=actor or current_actor(),
            allow_pickle=allow_pickle,
            inputs_differ=inputs_differ,
        )


def release(
    name: str,
    model: ModelVersion | str,
    code: CodeVersion | str | Path,
    *,
    commit: str | None = None,
    reason: str = "",
    actor: str | None = None,
    settings: Settings | None = None,
) -> Release:
    """Pair a model version and a code version under the model's next number.

    Args:
        name: of the model.
        model: the model version, or its id.
        code: the path of inference code, which is registered, or a code version, or its id.
        commit: the full git commit of the code at that path.
        reason: why.
        actor: who does it.
        settings: where the registry is.

    Raises:
        KedgeError: something of this can't be; the text says what and what to do.
    """
    who = actor or current_actor()
    with _opened(settings) as registry:
        if isinstance(code, CodeVersion):
            code = code.id
        elif Path(code).exists():
            code = registry.register_code(name, Path(code), commit, actor=who).id
        return registry.create_release(
            name,
            model if isinstance(model, str) else model.id,
            str(code),
            actor=who,
            reason=reason,
        )


def promote(
    name: str,
    release: Release | int,
    alias: str = "production",
    *,
    share: float | None = None,
    expected_generation: int | None = None,
    reason: str = "",
    actor: str | None = None,
    settings: Settings | None = None,
) -> AliasMove:
    """Point an alias at a release, making the alias if it is new: `kedge alias move`.

    Args:
        name: of the model.
        release: the release, or its number.
        alias: which alias.
        share: of the traffic that a canary gets, from 0 to 1; as before by default.
        expected_generation: move only if the alias is at it; where it is now by default.
        reason: why.
        actor: who does it.
        settings: where the registry is.

    Raises:
        StaleAliasError: somebody else moved the alias first; nothing was moved.
        KedgeError: something of this can't be; the text says what and what to do.
    """
    with _opened(settings) as registry:
        if expected_generation is None:
            current = registry.alias(name, alias)
            expected_generation = current.generation if current else 0
        return registry.move_alias(
            name,
            alias,
            release if isinstance(release, int) else release.number,
            expected_generation=expected_generation,
            share=share,
            actor=actor or current_actor(),
            reason=reason,
        )


def roll_back(
    name: str,
    alias: str = "production",
    *,
    reason: str = "",
    actor: str | None = None,
    settings: Settings | None = None,
) -> AliasMove:
    """Point an alias at the release that it was on before: `kedge alias back`.

    What it was moved back from does not count, so twice leads two releases back. To a certain
    release leads `promote`.

    Raises:
        StaleAliasError: somebody else moved the alias first; nothing was moved.
        KedgeError: it was on no other release before.
    """
    with _opened(settings) as registry:
        return registry.move_back(name, alias, actor=actor or current_actor(), reason=reason)


def connect(*, settings: Settings | None = None) -> duckdb.DuckDBPyConnection:
    """The archive as DuckDB views and macros: `kedge sql` in a notebook.

    It reads the files at each query, while the archiver writes, and locks nobody out. Other files
    and frames can be joined.

    Args:
        settings: where the archive is.

    Raises:
        KedgeError: the archive can't be made at its path.
    """
    return archive.connect((settings or Settings()).archive_url)


def _opened(settings: Settings | None) -> Registry:
    return Registry.open(settings or Settings())
