"""Texts by number, on the disk: each once, however often it comes."""

from __future__ import annotations

import sqlite3

_MOST = 100_000
"""Texts that are at hand in memory."""


class Words:
    """Numbers from 1 on for texts, in a table of a database.

    Args:
        database: that nobody else writes to.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE words (number INTEGER PRIMARY KEY, word TEXT UNIQUE)")
        self._numbers: dict[str, int] = {}
        self._words: dict[int, str] = {}

    def number(self, word: str) -> int:
        """The number of a word, a new one if it has none."""
        if word not in self._numbers:
            self._database.execute("INSERT OR IGNORE INTO words (word) VALUES (?)", (word,))
            self._learn("SELECT number, word FROM words WHERE word = ?", word)
        return self._numbers[word]

    def word(self, number: int) -> str:
        """The word of a number that was given."""
        if number not in self._words:
            self._learn("SELECT number, word FROM words WHERE number = ?", number)
        return self._words[number]

    def _learn(self, query: str, asked: str | int) -> None:
        if len(self._numbers) >= _MOST:
            self._numbers.clear()
            self._words.clear()
        number, word = self._database.execute(query, (asked,)).fetchone()
        self._numbers[word] = number
        self._words[number] = word
