"""What the user can mend."""

from __future__ import annotations


class KedgeError(Exception):
    """Something that the user can mend.

    The text says what was wrong, where, and what would be right. The command line prints it without
    a traceback, and ends with `exit_code`.
    """

    exit_code = 1
