"""The settings of webhooks, and how a list stands in an environment variable."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode


def listed(value: Any) -> Any:
    """The entries of a list that is given as text, with commas between or as JSON.

    >>> listed('["a", "b"]') == listed("a, b") == ["a", "b"]
    True
    """
    if not isinstance(value, str):
        return value
    entries = (each.strip(" '\"") for each in value.strip(" []").split(","))
    return [each for each in entries if each]


class WebhookSettings(BaseModel):
    """Where alerts may be posted to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts, addresses and networks that are not of the internet and may be posted "
        "to, separated by commas: hooks.internal,10.0.0.0/8.",
    )
    proxy: str | None = Field(
        None, description="URL of a proxy that connects in place of Kedge, by rules of its own."
    )

    @field_validator("allow", mode="before")
    @classmethod
    def _listed(cls, allow: Any) -> Any:
        return listed(allow)

    @field_validator("allow")
    @classmethod
    def _readable(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        for each in allow:
            if "/" in each:
                try:
                    ip_network(each, strict=False)
                except ValueError as error:
                    raise ValueError(f"{each} is no network like 10.0.0.0/8: {error}") from error
        return allow
