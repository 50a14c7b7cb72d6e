"""The policy files that the settings name, read and checked together."""

from __future__ import annotations

from pathlib import Path

from kedge.errors import KedgeError
from kedge.policy import Policy, parse
from kedge.settings import Settings


def configured(settings: Settings) -> tuple[Policy, ...]:
    """The policies of `alerting.policy`; none where it is not set.

    Raises:
        KedgeError: see `load`.
    """
    return () if settings.alerting.policy is None else load(settings.alerting.policy)


def load(path: Path) -> tuple[Policy, ...]:
    """The policy of a file, or those of a folder's `*.toml` files.

    Raises:
        PolicyError: a file is no policy.
        KedgeError: there is no file, or two policies contradict each other.
    """
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not files:
        raise KedgeError(f"{path} has no *.toml file: put a policy there, or name a file")
    policies: list[Policy] = []
    scopes: dict[tuple[str, str | None], Path] = {}
    endpoints: dict[str, Path] = {}
    for file in files:
        policy = parse(_text(file), str(file))
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


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KedgeError(f"there is no policy file {file}") from None
    except UnicodeDecodeError as error:
        raise KedgeError(f"{file} is no TOML: it is not UTF-8 ({error})") from error
    except OSError as error:
        raise KedgeError(f"{file} can't be read: {error.strerror}") from error
