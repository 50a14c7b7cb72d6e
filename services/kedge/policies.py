"""The policy files that the settings name, read and checked together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kedge.errors import KedgeError
from kedge.policy import Policy, PolicyError, Problem, parse
from kedge.policy.parsing import line_of
from kedge.settings import Settings, StreamSettings, micros

_MOST_WINDOWS = 1000
"""In a row, that a rule may look at."""


def configured(settings: Settings) -> tuple[Policy, ...]:
    """The policies of `alerting.policy`; none where it is not set.

    Raises:
        KedgeError: see `load`.
    """
    return (
        () if settings.alerting.policy is None else load(settings.alerting.policy, settings.stream)
    )


def load(path: Path, stream: StreamSettings) -> tuple[Policy, ...]:
    """The policy of a file, or those of a folder's `*.toml` files.

    Args:
        path: the file or the folder.
        stream: says which windows there are to look at.

    Raises:
        PolicyError: a file is no policy, or a rule looks at windows that are not published.
        KedgeError: there is no file, or two policies contradict each other.
    """
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise KedgeError(f"{path} has no *.toml file: put a policy there, or name a file")
    policies: list[Policy] = []
    scopes: dict[tuple[str, str | None], Path] = {}
    endpoints: dict[str, Path] = {}
    for file in files:
        text = _text(file)
        policy = parse(text, str(file))
        if problems := list(_unpublished(policy, text, stream)):
            raise PolicyError(str(file), problems)
        scope = policy.model, policy.environment
        if (other := scopes.setdefault(scope, file)) != file:
            raise KedgeError(
                f"{other} and {file} are both about model {policy.model!r}"
                f"{f' in {policy.environment}' if policy.environment else ''}: "
                "put their rules into one file"
            )
        for webhook in policy.webhooks:
            if (other := endpoints.setdefault(webhook.name, file)) != file:
                raise KedgeError(
                    f"{other} and {file} both have a webhook {webhook.name!r}: "
                    "the name is the endpoint's consumer group, so give one of them another"
                )
        policies.append(policy)
    return tuple(policies)


def _unpublished(policy: Policy, text: str, stream: StreamSettings) -> Iterator[Problem]:
    """What asks for windows that are not published."""
    base = stream.window
    if policy.rhythm and (length := policy.rhythm.as_season.slot_length) < micros(base):
        wrong = f"its slots of {length / 1e6:g} seconds are shorter than windows of {base:g}"
        yield Problem(
            line_of(text, ("rhythm", "season")), "rhythm.season", wrong, "give it fewer `slots`"
        )
    for index, rule in enumerate(policy.rules):
        step = base if rule.window_seconds == base else stream.slide_of_longer
        if rule.window_seconds not in (None, base, *stream.longer_windows):
            lengths = ", ".join(f"{length:g}" for length in (base, *stream.longer_windows))
            key = "window_seconds"
            wrong = f"no windows of {rule.window_seconds:g} seconds are published"
            right = f"there are those of {lengths}; KEDGE_STREAM__LONGER_WINDOWS adds to them"
        elif rule.every_seconds is not None and micros(rule.every_seconds) % micros(step):
            key = "every_seconds"
            wrong = f"{rule.every_seconds:g} is no multiple of {step:g} seconds"
            right = "with each of which such a window ends; see KEDGE_STREAM__SLIDE"
        elif rule.windows_needed(micros(base)) > _MOST_WINDOWS:
            key = max(("for_seconds", "keep_firing_for_seconds"), key=lambda k: getattr(rule, k))
            wrong = f"{getattr(rule, key):g} seconds are more than {_MOST_WINDOWS} of its windows"
            right = "each of which is remembered: use `window_seconds` for longer ones"
        else:
            continue
        yield Problem(line_of(text, ("rules", index, key)), f"rules[{index}].{key}", wrong, right)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KedgeError(f"there is no policy file {file}") from None
    except UnicodeDecodeError as error:
        raise KedgeError(f"{file} is no TOML: it is not UTF-8 ({error})") from error
    except OSError as error:
        raise KedgeError(f"{file} can't be read: {error.strerror}") from error
