"""Model versions and code versions: registered once, never changed."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from sqlalchemy import insert, select

from kedge.artifacts import Format, recognise
from kedge.artifacts.inputs import input_names, unlike
from kedge.clock import Clock
from kedge.profile import Reference
from kedge.registry import queries
from kedge.registry.addresses import model_version_id, reference_text
from kedge.registry.content_stores import Contents
from kedge.registry.database import Database
from kedge.registry.entries import CodeVersion, ModelVersion
from kedge.registry.errors import (
    BadNameError,
    CodeConflictError,
    ContentError,
    SignatureError,
    UnsafeArtifactError,
    short,
)
from kedge.registry.names import checked_commit, checked_name, checked_text
from kedge.registry.tables import code_versions, model_versions, pickle_permissions


class Versions:
    """The part of the registry that holds content."""

    def __init__(self, database: Database, contents: Contents, now: Clock) -> None:
        self._database = database
        self._contents = contents
        self._now = now

    # Models

    def register_model(
        self,
        model: str,
        artifact: Path,
        reference: Reference,
        *,
        actor: str,
        allow_pickle: bool = False,
        inputs_differ: bool = False,
    ) -> ModelVersion:
        """Register an artifact with its signature and reference.

        Registering the same again changes nothing and gives the version that is there; a permission
        that it lacks can be given so.

        Args:
            model: name of the model, made if it is new; see `names.NAME_PATTERN`.
            artifact: a file or a folder, kept as it is and never loaded.
            reference: profile of the training or validation data.
            actor: who does it.
            allow_pickle: that loading the artifact may run code; it is kept who allowed it.
            inputs_differ: that the artifact's inputs have other names than the features, since the
                inference code makes the ones of the others.

        Raises:
            UnsafeArtifactError: loading it may run code, and nobody allowed that.
            SignatureError: the artifact names its inputs otherwise than the reference.
        """
        checked_name(model, "a model")
        actor = checked_text(actor, "actor", required=True)
        if not artifact.exists():
            raise ContentError(f"there is no {artifact}: give the path of a file or a folder")
        found = recognise(artifact)
        if found.unsafe is not None and not allow_pickle:
            raise UnsafeArtifactError(found.unsafe)
        if not inputs_differ:
            _check_inputs(artifact, found.format, reference)
        content = self._contents.put(artifact)
        text = reference_text(reference)
        identifier = model_version_id(content, text)
        with self._database.write() as connection:
            queries.lock_or_make_model(connection, model)
            mine = (model_versions.c.model == model) & (model_versions.c.id == identifier)
            now = self._now()
            if not queries.model_versions_of(connection, mine):
                connection.execute(
                    insert(model_versions).values(
                        model=model,
                        id=identifier,
                        artifact=content,
                        reference=text,
                        created_at=now,
                        actor=actor,
                        format=found.format,
                    )
                )
            (version,) = queries.model_versions_of(connection, mine)
            if found.unsafe is None or version.pickle_allowed_by is not None:
                return version
            connection.execute(
                insert(pickle_permissions).values(
                    model=model, model_version=identifier, actor=actor, allowed_at=now
                )
            )
            return replace(version, pickle_allowed_by=actor)

    def models(self) -> list[str]:
        """Names of the models, in order."""
        with self._database.read() as connection:
            return queries.model_names(connection)

    def model_version(self, model: str, identifier: str) -> ModelVersion:
        """A model version by its id, which may be cut short to six characters or more."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            full = queries.version_id(connection, model_versions, identifier, model)
            mine = (model_versions.c.model == model) & (model_versions.c.id == full)
            (version,) = queries.model_versions_of(connection, mine)
            return version

    def model_versions(self, model: str) -> list[ModelVersion]:
        """Every version of a model, the oldest first."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            return queries.model_versions_of(connection, model_versions.c.model == model)

    def artifact(self, model_version_id: str) -> Path:
        """Where the artifact of a model version is, checked against its address at every call."""
        with self._database.read() as connection:
            full = queries.version_id(connection, model_versions, model_version_id)
            address = connection.scalars(
                select(model_versions.c.artifact).where(model_versions.c.id == full).distinct()
            ).one()
        return self._contents.get(address)

    def loadable_artifact(self, version: ModelVersion) -> Path:
        """As `artifact`, for whoever is about to load it.

        Raises:
            UnsafeArtifactError: loading it may run code, and nobody allowed that.
        """
        artifact = self.artifact(version.id)
        unsafe = recognise(artifact).unsafe
        if unsafe is not None and version.pickle_allowed_by is None:
            raise UnsafeArtifactError(unsafe)
        return artifact

    # Code versions

    def register_code(
        self, model: str, bundle: Path | None = None, commit: str | None = None, *, actor: str
    ) -> CodeVersion:
        """Register a version of the inference code: a bundle, a git commit, or both.

        Registering the same again changes nothing and gives the version that is there.

        Args:
            model: name of the model, made if it is new.
            bundle: a Python file, or a folder with `inference.py`; see `bundle`.
            commit: the full git commit, which then is the id.
            actor: who does it.

        Raises:
            CodeConflictError: the commit is registered with another bundle, or without one.
        """
        checked_name(model, "a model")
        actor = checked_text(actor, "actor", required=True)
        if commit is not None:
            checked_commit(commit)
        content = None if bundle is None else self._contents.put(_checked_bundle(bundle))
        identifier = commit or content
        if identifier is None:
            raise BadNameError("a code version needs a bundle, a commit or both")
        with self._database.write() as connection:
            queries.lock_or_make_model(connection, model)
            mine = (code_versions.c.model == model) & (code_versions.c.id == identifier)
            row = connection.execute(select(code_versions).where(mine)).one_or_none()
            if row is not None:
                known = queries.code_version(row)
                if known.bundle != content:
                    raise CodeConflictError(_conflict(known, content))
                return known
            code = CodeVersion(model, identifier, commit, content, self._now(), actor)
            connection.execute(insert(code_versions).values(**asdict(code)))
            return code

    def code_version(self, model: str, identifier: str) -> CodeVersion:
        """A code version by its id, which may be cut short to six characters or more."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            full = queries.version_id(connection, code_versions, identifier, model)
            mine = (code_versions.c.model == model) & (code_versions.c.id == full)
            return queries.code_version(connection.execute(select(code_versions).where(mine)).one())

    def code_versions(self, model: str) -> list[CodeVersion]:
        """Every code version of a model, the oldest first."""
        with self._database.read() as connection:
            queries.require_model(connection, model)
            rows = connection.execute(
                select(code_versions)
                .where(code_versions.c.model == model)
                .order_by(code_versions.c.created_at, code_versions.c.id)
            )
            return [queries.code_version(row) for row in rows]

    def bundle(self, code_version_id: str, *, model: str | None = None) -> Path:
        """Where the bundle of a code version is, checked against its address at every call.

        Args:
            code_version_id: may be cut short to six characters or more.
            model: whose code version; needed only where one commit has different bundles for
                several models.
        """
        with self._database.read() as connection:
            full = queries.version_id(connection, code_versions, code_version_id, model)
            rows = select(code_versions.c.bundle).where(code_versions.c.id == full).distinct()
            if model is not None:
                rows = rows.where(code_versions.c.model == model)
            bundles = list(connection.scalars(rows))
        if len(bundles) > 1:
            raise ContentError(
                f"code version {short(full)} has different bundles for several models: "
                "say which model"
            )
        if bundles[0] is None:
            raise ContentError(
                f"code version {short(full)} is a commit registered without a bundle; what runs "
                "it has to have the code already"
            )
        return self._contents.get(bundles[0])


def _check_inputs(artifact: Path, format_: Format, reference: Reference) -> None:
    inputs = input_names(artifact, format_)
    if inputs is None:
        return
    features = [spec.name for spec in reference.signature if spec.role == "feature"]
    unknown, unused = unlike(inputs, features)
    if unknown or unused:
        raise SignatureError(artifact, unknown, unused)


def _checked_bundle(bundle: Path) -> Path:
    if bundle.is_dir() and not (bundle / "inference.py").is_file():
        raise ContentError(
            f"{bundle} has no `inference.py`: a bundle is a Python file, or a folder with "
            "`inference.py`, that defines load, prepare and predict"
        )
    if bundle.is_file() and bundle.suffix != ".py":
        raise ContentError(f"{bundle} is no Python file: its name has to end with .py")
    return bundle


def _conflict(known: CodeVersion, content: str | None) -> str:
    def said(bundle: str | None) -> str:
        return "no bundle" if bundle is None else f"bundle {short(bundle)}"

    return (
        f"commit {short(known.id)} of `{known.model}` is registered with {said(known.bundle)}, and "
        f"now came {said(content)}. A code version never changes: register the bundle without the "
        "commit, or commit what is different"
    )
