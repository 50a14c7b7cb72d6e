"""`kedge settings`: every setting, what it means and what it is here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel


def add_to(app: typer.Typer) -> None:
    app.command("settings")(settings)


def settings(
    *, as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False
) -> None:
    """Show every setting: its environment variable, what it is now, and what it means.

    Each is also a key of `kedge.toml` in the working directory, or of the file that KEDGE_CONFIG
    names: KEDGE_STREAM__WINDOW is `window` under `[stream]`. The environment wins. Any librdkafka
    option passes through: KEDGE_KAFKA__SECURITY_PROTOCOL=SASL_SSL is `security.protocol`.
    """
    import json

    from rich.console import Console
    from rich.table import Table

    from kedge.settings import Settings

    rows = list(_rows(Settings(), "KEDGE_"))
    if as_json:
        typer.echo(json.dumps([dict(zip(_NAMES, row, strict=True)) for row in rows], indent=2))
        return
    table = Table(*_NAMES)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


_NAMES = ("variable", "value", "meaning")


def _rows(section: BaseModel, prefix: str) -> Iterator[tuple[str, str, str]]:
    from pydantic import BaseModel

    for name, field in type(section).model_fields.items():
        value: Any = getattr(section, name)
        variable = f"{prefix}{name.upper()}"
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{variable}__")
        else:
            yield variable, _shown(name, value), field.description or ""


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        # A librdkafka option may be a password, and the rule for logs is the rule here.
        from kedge.logs import mask_secrets

        masked = mask_secrets(None, name, dict(value))
        return " ".join(f"{key}={each}" for key, each in masked.items())
    return str(value)
