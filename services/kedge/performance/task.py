"""What a model does, and so how its predictions are compared with the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np

from kedge.profile import Reference, ReferenceColumn

TaskKind = Literal["regression", "binary", "multiclass"]
DEFAULT_OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Task:
    """How one output is compared with the truth.

    Attributes:
        kind: regression: both are numbers; binary: positive or not; multiclass: both are classes.
        output: the output that is compared.
        positive: binary: the text that is the positive class. True and 1 always are.
        threshold: binary: a score at or above this predicts the positive class; None where the
            output is the class itself.
        classes: multiclass: the classes that are counted one by one, at least one; all others are
            counted together, as `other`.
    """

    kind: TaskKind
    output: str
    positive: str = "true"
    threshold: float | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.threshold is not None and not (self.kind == "binary" and 0 <= self.threshold <= 1):
            raise ValueError(
                f"threshold {self.threshold:g} of the {self.kind} output `{self.output}` can't be: "
                "scores of a binary task have one, from 0 to 1"
            )
        if (self.kind == "multiclass") != bool(self.classes):
            raise ValueError(
                f"the {self.kind} output `{self.output}` has {len(self.classes)} classes: "
                "a multiclass task names its classes, others have none"
            )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "classes": list(self.classes)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(**{**data, "classes": tuple(data["classes"])})


def infer_task(
    reference: Reference,
    truths: Iterable[Any],
    *,
    output: str | None = None,
    positive: str | None = None,
    threshold: float = 0.5,
) -> Task:
    """What a model does, by its reference's outputs and some truths.

    | output | truth | task |
    |---|---|---|
    | numeric, from 0 to 1 | truth values, or all 0 or 1 | binary, the output is the score |
    | numeric, from 0 to 1 | text, `positive` given | binary, the output is the score |
    | numeric | other numbers | regression |
    | boolean | truth values, or all 0 or 1 | binary, the output is the class |
    | boolean, categorical | text or whole numbers, `positive` given | binary, likewise |
    | categorical | text, truth values or whole numbers | multiclass |

    Args:
        reference: of the model version.
        truths: some outcomes' truths; nulls and NaN among them say nothing.
        output: which output; by default the one named `output`, or else the first.
        positive: the text of the positive class, for classes that are written as text.
        threshold: of a binary score.

    Raises:
        ValueError: there is no such output, no truth says anything, or the two don't go together.
    """
    column = _output(reference, output)
    spec = column.spec
    truth = _truth_type(truths)
    binary = Task("binary", spec.name, "true" if positive is None else positive, threshold)
    if spec.type == "numeric" and truth != "vector":
        if truth in ("boolean", "text") or (truth == "zero or one" and _is_share(column)):
            if not _is_share(column):
                raise ValueError(
                    f"output `{spec.name}` is not from 0 to 1, and the truth is a class: "
                    "log the probability of the positive class, or the class itself"
                )
            if truth == "text" and positive is None:
                raise ValueError(
                    f"output `{spec.name}` is a score and the truth is text: "
                    "say which text is the positive class"
                )
            return binary
        return Task("regression", spec.name)
    if spec.type == "boolean" and truth in ("boolean", "zero or one"):
        return Task("binary", spec.name)
    comparable = {
        "boolean": ("text",),
        "categorical": ("text", "boolean", "zero or one", "whole number"),
    }
    if truth in comparable.get(spec.type, ()) and column.bins.categories:
        if positive is not None:
            return Task("binary", spec.name, positive)
        return Task("multiclass", spec.name, classes=column.bins.categories)
    raise ValueError(
        f"output `{spec.name}` is {spec.type} and the truth is {truth}: "
        "there is no rule for how to compare them"
    )


def compared_output(reference: Reference) -> str | None:
    """The output that is compared where nobody says which; None where there is none.

    It is the one that the reference's truth is of, the one named `output`, or the first.
    """
    if reference.estimator is not None:
        return str(reference.estimator["task"]["output"])
    names = [c.spec.name for c in reference.columns if c.spec.role == "output"]
    return DEFAULT_OUTPUT if DEFAULT_OUTPUT in names else next(iter(names), None)


def _output(reference: Reference, name: str | None) -> ReferenceColumn:
    outputs = {c.spec.name: c for c in reference.columns if c.spec.role == "output"}
    if not outputs:
        raise ValueError("the reference has no output, so there is nothing to compare with truth")
    name = name or compared_output(reference)
    if name not in outputs:
        raise ValueError(f"the reference has no output `{name}`; it has {', '.join(outputs)}")
    return outputs[name]


def _is_share(column: ReferenceColumn) -> bool:
    """Whether the reference's values are from 0 to 1, as far as its bins tell."""
    edges = column.bins.edges
    return len(edges) > 0 and edges[0] >= 0 and edges[-1] <= np.nextafter(1, 2)


def _truth_type(truths: Iterable[Any]) -> str:
    types = set()
    for truth in truths:
        if isinstance(truth, bool):
            types.add("boolean")
        elif isinstance(truth, str):
            types.add("text")
        elif isinstance(truth, int | float):
            if truth in (0, 1):
                types.add("zero or one")
            elif truth == truth:  # noqa: PLR0124 - NaN alone differs from itself
                types.add("whole number" if float(truth).is_integer() else "number")
        elif truth is not None:
            types.add("vector")
    for type_ in ("vector", "text", "number", "whole number", "zero or one", "boolean"):
        if type_ in types:
            return type_
    raise ValueError("no truth among those given says what the task is: all are null or NaN")
