"""Settings of the HTTP API: the section `web` of `kedge.settings`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode


class WebSettings(BaseModel):
    """The HTTP API."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen at; this machine only.")
    port: int = Field(8090, ge=0, le=65535, description="Port; 0 takes a free one.")
    hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Names by which the API may be asked for (in `Host`), separated by commas, "
        "beside `host` and those of this machine's loopback.",
    )
    anonymous_reads: bool = Field(
        default=False,
        description="Let this machine's users read without a token; only while `host` is loopback.",
    )
    rate: float = Field(
        50.0, gt=0, description="Requests a second that a token, or an address without, may make."
    )
    burst: int = Field(200, ge=1, description="Most requests of one at once.")
    body_limit: int = Field(1 << 20, ge=1, description="Most bytes of a request's body.")
    upload_limit: int = Field(
        1 << 30, ge=1, description="Most bytes of an upload: artifact and reference together."
    )
    receive_timeout: float = Field(
        30.0, gt=0, description="Longest pause in seconds while a body is sent."
    )
    query_timeout: float = Field(
        30.0, gt=0, description="Seconds after which a query of the archive is given up."
    )
    query_memory: int = Field(
        512, ge=64, description="MiB that a query may have which somebody else wrote in SQL."
    )

    @field_validator("hosts", mode="before")
    @classmethod
    def _listed(cls, names: Any) -> Any:
        if isinstance(names, str):
            return [name.strip() for name in names.split(",") if name.strip()]
        return names

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
