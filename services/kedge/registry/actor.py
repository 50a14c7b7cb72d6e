"""Who does what is done here, where nobody says it."""

from __future__ import annotations

import getpass
import os

from kedge.errors import KedgeError


def current_actor() -> str:
    """`KEDGE_ACTOR`, else the name of this process's user.

    Raises:
        KedgeError: there is neither.
    """
    try:
        return os.environ.get("KEDGE_ACTOR") or getpass.getuser()
    except (KeyError, OSError) as error:
        raise KedgeError(
            "this user has no name here: say who does it by KEDGE_ACTOR, `--actor` or actor="
        ) from error
