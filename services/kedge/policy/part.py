"""What the tables of a policy have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Severity = Literal["info", "warning", "critical"]
Name = Annotated[str, Field(min_length=1, max_length=200)]


def refused(key: str, message: str) -> PydanticCustomError:
    """What is wrong with the value of `key`; raised where several keys are looked at together."""
    return PydanticCustomError("policy", "{message}", {"key": key, "message": message})


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
