"""The `kedge` command. Each group of verbs has its file; this one only puts them together."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="kedge",
    no_args_is_help=True,
    help="Logs what deployed models predict, watches it drift, and hauls the bad release back.",
    rich_markup_mode="markdown",
)


def main() -> None:
    """Run the command line; the console script's entry."""
    app()


if __name__ == "__main__":
    main()
