"""The `kedge` command, also as `python -m kedge`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say what to install: the bare install is the SDK alone."""
    try:
        from kedge.cli import main as run  # noqa: PLC0415 - it may not be there
    except ModuleNotFoundError as error:
        sys.exit(
            f"error: the command line needs {error.name}, which is not part of the bare install: "
            "pip install 'kedge[services]', or 'kedge[serving]' for `kedge serve` too"
        )
    run()


if __name__ == "__main__":
    main()
