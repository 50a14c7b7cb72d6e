"""The signature: what the features and outputs of a model have to be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kedge.contracts import Column, Role

ColumnType = Literal["numeric", "boolean", "categorical", "vector"]


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One line of a model's signature.

    Attributes:
        name: of the feature or output.
        role: feature or output.
        type: what a value has to be.
        minimum: a number below this is out of range; None for no bound.
        maximum: a number above this is out of range; None for no bound.
        order: categorical: the categories from the lowest to the highest; empty where they have no
            order. Others count as unseen.
    """

    name: str
    role: Role
    type: ColumnType
    minimum: float | None = None
    maximum: float | None = None
    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.order and self.type != "categorical":
            raise ValueError(f"{self.role} `{self.name}` is {self.type}: categories have an order")
        if "" in self.order or len(set(self.order)) < len(self.order):
            raise ValueError(
                f"the order of {self.role} `{self.name}` names a category twice or an empty one"
            )

    @property
    def key(self) -> tuple[Role, str]:
        """What a column is found by."""
        return self.role, self.name


def infer_signature(columns: Iterable[Column]) -> tuple[ColumnSpec, ...]:
    """The signature that the data of a reference suggests.

    Raises:
        ValueError: a name comes with values of more than one type.
    """
    types: dict[tuple[Role, str], ColumnType] = {}
    for column in columns:
        guess: ColumnType
        if column.type == "number":
            guess = "numeric" if column.values.ndim == 1 else "vector"
        else:
            guess = "boolean" if column.type == "boolean" else "categorical"
        known = types.setdefault((column.role, column.name), guess)
        if known != guess:
            raise ValueError(
                f"{column.role} `{column.name}` of the reference has both {known} and {guess} "
                "values; give it one type, or say in the signature which one is right"
            )
    return tuple(ColumnSpec(name, role, type_) for (role, name), type_ in types.items())
