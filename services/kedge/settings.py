"""Every setting of the platform, in one model.

Each is an environment variable `KEDGE_…` (`__` between section and key) and a key of `kedge.toml`
in the working directory or where `KEDGE_CONFIG` points. The environment wins.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from platformdirs import user_cache_path, user_data_path
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kedge.approvals.settings import ApprovalSettings
from kedge.archive_settings import ArchiveSettings
from kedge.contracts.kafka_options import librdkafka_options
from kedge.errors import KedgeError
from kedge.web.settings import WebSettings
from kedge.webhook_settings import WebhookSettings, listed

Seconds = Annotated[float, Field(gt=0)]


def micros(seconds: float) -> int:
    """Seconds of a setting as the microseconds of event time.

    >>> micros(0.29)
    290000
    """
    return round(seconds * 1e6)


def _is_multiple(seconds: float, of: float) -> bool:
    return micros(seconds) % micros(of) == 0


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BrokerSettings(_Section):
    """The embedded broker: a real Apache Kafka on the local JVM."""

    port: int = Field(0, ge=0, le=65535, description="Client port; 0 takes a free one.")
    heap: str = Field("512m", description="The JVM's -Xmx.")
    cache: Path = Field(
        default_factory=lambda: user_cache_path("kedge") / "kafka",
        description="Where the jars are kept, shared by every checkout of this user.",
    )
    maven_repository: str = Field(
        "https://repo.maven.apache.org/maven2",
        description="Base URL for the locked jars where Maven is missing.",
    )
    start_timeout: Seconds = Field(90.0, description="How long to wait until it answers.")


class RegistrySettings(_Section):
    """Where models, code versions, releases and aliases are kept."""

    url: str | None = Field(
        None, description="SQLite under `home` by default; postgresql://user@host/database."
    )
    artifacts: str | None = Field(
        None, description="A folder, or s3://bucket/prefix; under `home` by default."
    )
    poll: Seconds = Field(0.1, description="How often the outbox is looked at.")


class StreamSettings(_Section):
    """The micro-batch loop and event time."""

    window: Seconds = Field(60.0, description="Length of a base window of event time.")
    slide: Seconds | None = Field(
        None,
        description="A longer window of each length ends every so many seconds, a multiple of "
        "`window`; `window` by default.",
    )
    longer_windows: Annotated[tuple[Seconds, ...], NoDecode] = Field(
        (),
        description="Lengths of longer windows, separated by commas, each a multiple of `slide`: "
        "3600,86400.",
    )
    out_of_orderness: float = Field(
        0.0, ge=0, description="How far behind the newest event a watermark stays."
    )
    allowed_lateness: float = Field(
        3600.0, ge=0, description="How long after its end a window still takes events."
    )
    idle_after: Seconds = Field(
        5.0, description="A partition without new records for this long holds nothing back."
    )
    silence: float = Field(
        600.0,
        ge=0,
        description="For so long after the last event of a model, windows without any are "
        "published.",
    )
    future_tolerance: float = Field(
        3600.0,
        ge=0,
        description="An event time further than this past its arrival is not believed.",
    )
    duplicate_horizon: float = Field(
        600.0,
        ge=0,
        description="A message that comes again within so many seconds is not counted again.",
    )
    duplicate_messages: int = Field(
        100_000,
        ge=1,
        description="Most messages of a partition that are remembered for that; 1,000 take 0.2 MB.",
    )
    missing_grace: float = Field(
        60.0,
        ge=0,
        description="A producer's number that is lacking for so many seconds is missing.",
    )
    missing_given_up: Seconds = Field(
        86_400.0,
        description="After so many seconds a number is not waited for any more.",
    )
    producers: int = Field(
        10_000,
        ge=1,
        description="Most producers whose numbers are followed, for each partition of accounts; "
        "1,000 take 0.3 MB.",
    )
    partitions: int = Field(4, ge=1, description="Partitions of the topics Kedge creates.")
    replication_factor: int = Field(
        1, ge=1, description="Copies that the brokers keep of the topics Kedge creates."
    )
    batch_records: int = Field(5000, ge=1, description="Most records in one micro-batch.")
    batch_wait: Seconds = Field(0.1, description="Most seconds to wait for a micro-batch.")
    instance: str | None = Field(
        None,
        description="Name of this process among those of its service. One that was killed is "
        "taken over at once by the next of its name; nameless, it is given up after a while.",
    )

    @field_validator("slide")
    @classmethod
    def _of_whole_windows(cls, slide: float | None, info: ValidationInfo) -> float | None:
        window = info.data.get("window")
        if slide is not None and window is not None and not _is_multiple(slide, window):
            raise ValueError(f"{slide:g} is no multiple of `window`, {window:g} seconds")
        return slide

    @field_validator("longer_windows", mode="before")
    @classmethod
    def _listed(cls, lengths: Any) -> Any:
        return listed(lengths)

    @field_validator("longer_windows")
    @classmethod
    def _sums(cls, lengths: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        window = info.data.get("window")
        if window is None or "slide" not in info.data:
            return lengths  # what is wrong with those is told already
        slide = info.data["slide"] or window
        for length in lengths:
            if length <= window:
                raise ValueError(f"{length:g} is not longer than `window`, {window:g} seconds")
            if not _is_multiple(length, slide):
                raise ValueError(
                    f"{length:g} is no multiple of {slide:g} seconds, "
                    "with each of which a longer window ends"
                )
        return tuple(sorted(set(lengths)))

    @property
    def slide_of_longer(self) -> float:
        return self.slide or self.window


class EvidenceSettings(_Section):
    """Evidence of change, see docs/evidence.md."""

    floor: float = Field(
        0.001, gt=0, description="A difference of this PSI does not matter, and is no evidence."
    )
    burn_in: int = Field(
        20,
        ge=0,
        description="Windows of a model's first release from which natural variation is learned.",
    )


class AlertingSettings(_Section):
    """Policies, webhooks and what the alerting service may do."""

    policy: Path | None = Field(None, description="The policy file (TOML).")
    webhook_secret: SecretStr | None = Field(
        None, description="Standard Webhooks secret, `whsec_…`, for endpoints that name no other."
    )


class EvaluatorSettings(_Section):
    """Outcomes joined with predictions, and performance."""

    horizon: Seconds = Field(
        604_800.0,
        description="A prediction is joined if it was made no longer than this before the newest "
        "outcome of its model.",
    )
    patience: Seconds = Field(
        86_400.0,
        description="An outcome whose prediction does not come within so many seconds is given up.",
    )
    most_waiting: int = Field(
        250_000,
        ge=1,
        description="Most outcomes of a partition that wait for their prediction; 1,000 take "
        "0.2 MB.",
    )
    batch_records: int = Field(20_000, ge=1, description="Most outcomes in one micro-batch.")
    batch_wait: Seconds = Field(0.5, description="Most seconds to wait for a micro-batch.")
    publish_every: Seconds = Field(
        5.0, description="Performance that has changed is published every so many seconds."
    )


class ServingSettings(_Section):
    """The reference inference server."""

    host: str = Field("127.0.0.1", description="Address to listen at; this machine only.")
    port: int = Field(8080, ge=0, le=65535, description="Port; 0 takes a free one.")


class MlflowSettings(_Section):
    """A team's MLflow registry."""

    uri: str | None = Field(None, description="Of the MLflow server: http://mlflow:5000.")
    poll: Seconds = Field(1.0, description="How often new moves of aliases are looked for.")


class Settings(BaseSettings):
    """See the module. `Settings()` reads the environment and `kedge.toml`.

    Raises:
        KedgeError: a setting can't be what it is; the text names each that is wrong.
    """

    model_config = SettingsConfigDict(
        env_prefix="KEDGE_", env_nested_delimiter="__", extra="ignore", frozen=True
    )

    home: Path = Field(
        default_factory=lambda: user_data_path("kedge"),
        description="Where everything that Kedge keeps on this machine lies.",
    )
    topic_prefix: str = Field(
        "kedge",
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="What the names of topics and consumer groups begin with.",
    )
    environment: str = Field("production", description="The `environment` tag of predictions.")
    heartbeat: Path | None = Field(
        None,
        description="A file that `kedge run` touches once a second while its service goes on: for "
        "the health check of a container.",
    )
    kafka: dict[str, str] = Field(
        default_factory=dict,
        description="librdkafka options: `KEDGE_KAFKA__SECURITY_PROTOCOL=SASL_SSL`, and so on.",
    )
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    registry: RegistrySettings = Field(default_factory=RegistrySettings)
    stream: StreamSettings = Field(default_factory=StreamSettings)
    evidence: EvidenceSettings = Field(default_factory=EvidenceSettings)
    alerting: AlertingSettings = Field(default_factory=AlertingSettings)
    approvals: ApprovalSettings = Field(default_factory=ApprovalSettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
    evaluator: EvaluatorSettings = Field(default_factory=EvaluatorSettings)
    serving: ServingSettings = Field(default_factory=ServingSettings)
    mlflow: MlflowSettings = Field(default_factory=MlflowSettings)
    web: WebSettings = Field(default_factory=WebSettings)

    @field_validator("kafka", mode="before")
    @classmethod
    def _dotted(cls, section: Any) -> Any:
        return librdkafka_options(section) if isinstance(section, dict) else section

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise KedgeError(_explained(error)) from error

    @property
    def registry_url(self) -> str:
        return self.registry.url or f"sqlite:///{self.home / 'registry.db'}"

    @property
    def artifacts(self) -> str:
        return self.registry.artifacts or str(self.home / "artifacts")

    @property
    def archive_url(self) -> str:
        return self.archive.url or str(self.home / "archive")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings  # one file format and the environment: no more
        file = Path(os.environ.get("KEDGE_CONFIG", "kedge.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


def _explained(error: ValidationError) -> str:
    """Which settings are wrong and why. Their values are left out: one may be a secret."""
    wrong = []
    for problem in error.errors(include_input=False, include_url=False):
        where = [str(part) for part in problem["loc"]]
        wrong.append(f"KEDGE_{'__'.join(where).upper()} ({'.'.join(where)}): {problem['msg']}")
    listed = "\n  ".join(wrong)
    return f"wrong settings in the environment or kedge.toml:\n  {listed}\nSee `kedge settings`."
