"""Settings: every value can be given as `COTERIE_…` in the environment, and most as an option of the CLI."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

KIB = 1024
MIB = 1024 * KIB
_URL = r"^https?://[^\s@]+$"


def _with_port(url: str | None) -> str | None:
    """A URL whose host and port are ones. Raises ValueError."""
    try:
        parts = urlsplit(url or "http://localhost")
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be a URL such as http://localhost:8000/v1, with a port from 1 to 65535 or none")
    return url


def _with_driver(url: object) -> object:
    """The URL of PostgreSQL as most write it, with the driver that is there."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url) if isinstance(url, str) else url


BaseUrl = Annotated[str, AfterValidator(_with_port)]


class Settings(BaseSettings):
    """What a server or a worker needs to know to start. Frozen: read once, handed on."""

    model_config = SettingsConfigDict(
        env_prefix="COTERIE_", frozen=True, extra="ignore", validate_by_name=True, env_ignore_empty=True
    )

    data_dir: Path = Field(Path("coterie-data"), description="Folder of the records, vectors and artifacts.")
    scratch: Path | None = Field(
        None,
        validation_alias="COTERIE_SCRATCH_DIR",
        description="Folder of the files that pass between the steps of a job, on a disk of the machine's own; "
        "without it `scratch` in the data folder.",
    )
    database_url: Annotated[str | None, BeforeValidator(_with_driver)] = Field(
        None,
        pattern=r"^postgresql\+psycopg://",
        repr=False,
        description="PostgreSQL for the records and jobs: postgresql+psycopg://user:password@host/database. "
        "Without it they are SQLite files in the data folder.",
    )
    storage_url: str | None = Field(
        None,
        min_length=1,
        max_length=2048,
        description="Where vectors and artifacts are: s3://bucket/prefix, gs://bucket/prefix (for a store of "
        "your own with ?endpoint=…&region=…), or the path of a folder. Without it they are in the data folder.",
    )
    statement_seconds: float = Field(
        20, gt=0, le=600, description="How long a read of the API may take in the store before it is refused."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=0, le=64, description="Worker processes started beside the server.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: Literal["text", "json"] = Field("text", description="Lines of the log as text, or a JSON object each.")
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65_472,
        description="Port where a worker answers Prometheus; of those beside a server the first takes this one, the "
        "second the next. 0: each takes a free one and logs it. Without it, workers do not answer.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address where workers answer Prometheus.")
    tracing: bool | None = Field(
        None,
        description="Traces by OpenTelemetry (`coterie[otel]`). Without it: where OTEL_EXPORTER_OTLP_ENDPOINT is set.",
    )
    job_concurrency: int = Field(1, ge=1, le=64, description="Jobs that one worker runs at a time.")
    organization_jobs: int | None = Field(
        None, ge=1, description="Jobs of one organization in hand at a time, over all workers; without it, any number."
    )
    memory_mib: int | None = Field(
        None,
        ge=512,
        description="Memory that the jobs of one worker may take together, in MiB; a run that would need more is "
        "left to a larger worker, or refused at once with the sample_size that fits. "
        "Without it: four fifths of the machine's or the container's.",
    )
    ray_address: str | None = Field(
        None,
        pattern=r"^(auto|[^\s/:]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5})$",
        description="The Ray cluster on which runs go over the parts of their vectors, `auto` or host:port; the "
        "worker's machine must be a node of it, and the extra `ray` installed. Without it a child process does so.",
    )
    keep_runs: int | None = Field(
        None, ge=1, description="Runs that a definition keeps where its `retention` does not say; without it, all."
    )
    keep_days: int | None = Field(
        None, ge=1, description="Days that a run is kept where its definition's `retention` does not say; else always."
    )
    execute_timeout_seconds: float = Field(
        600, gt=0, le=86_400, description="How long a synchronous execute waits before it answers 503."
    )
    heartbeat_seconds: float = Field(2, gt=0, le=60, description="How often a worker says that it lives.")
    worker_grace_seconds: float = Field(
        15, gt=0, le=3600, description="Silence after which a worker counts as dead and its jobs are resumed."
    )
    webhook_private_addresses: bool = Field(
        False, description="Let webhooks go to loopback, private and other inner addresses too."
    )
    smtp_url: str | None = Field(
        None,
        pattern=r"^smtps?://[^/\s]+/?$",
        repr=False,
        description="The mail server of webhooks by email: smtp://user:password@host:port, or smtps://…",
    )
    smtp_from: str | None = Field(None, pattern=r"^[^\r\n]*@[^\r\n]+$", description="The sender of those emails.")
    models_dir: Path | None = Field(
        None, description="Folder of the models that make vectors; without it `models` in the data folder."
    )
    hub_url: str = Field(
        "https://huggingface.co",
        pattern=r"^https?://[^/\s]+(/[^\s]*)?$",
        description="Where `coterie models add` finds repositories of models; nothing else asks it for anything.",
    )
    image_hosts: str = Field(
        "",
        max_length=4096,
        description="Hosts, parted by commas, from which images of documents may be fetched; without it none are.",
    )
    image_private_addresses: bool = Field(
        False,
        description="Fetch images from those hosts also where they are at loopback, private and other inner addresses.",
    )
    labeling: Literal["auto", "keywords"] = Field(
        "auto", description="keywords: no language model is asked for labels, whatever else is set."
    )
    openai_base_url: BaseUrl | None = Field(
        None,
        pattern=_URL,
        validation_alias=AliasChoices("COTERIE_OPENAI_BASE_URL", "OPENAI_BASE_URL"),
        description="A server that speaks OpenAI's Chat Completions: Ollama, vLLM, llama.cpp; without it OpenAI's own.",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("COTERIE_OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="The key for it; a server of your own may need none.",
    )
    openai_model: str = Field("gpt-4.1-mini", description="The model where `llm_labeling` names none.")
    google_base_url: BaseUrl = Field(
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        pattern=_URL,
        description="Google's endpoint of the same kind.",
    )
    google_api_key: SecretStr | None = Field(None, description="The key for it.")
    google_model: str = Field("gemini-2.5-flash", description="The model where `llm_labeling` names none.")
    labeling_concurrency: int = Field(4, ge=1, le=64, description="Requests for labels that a run has under way.")
    labeling_request_seconds: float = Field(60, gt=0, le=600, description="How long one such request may take.")
    labeling_step_seconds: float = Field(
        1_800, gt=0, le=86_400, description="How long all of a run's may take; the other groups keep their keywords."
    )
    labeling_token_budget: int = Field(
        1_000_000, ge=0, description="Tokens, of prompts and answers, that the labels of one run may take."
    )
    json_body_limit: int = Field(64 * KIB, ge=KIB, description="Largest JSON body, in bytes.")
    batch_body_limit: int = Field(64 * MIB, ge=KIB, description="Largest body of documents/batch, in bytes.")

    @property
    def records(self) -> Path | str:
        """Where the records are: a SQLite file, or a PostgreSQL URL."""
        return self.database_url or self.data_dir / "coterie.db"

    @property
    def jobs_url(self) -> str:
        """Where the job engine keeps its state, as a URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'jobs.db'}"

    @property
    def storage(self) -> Path | str:
        """Where the vectors (below `vectors`) and the artifacts (below `artifacts`) are: a folder, or a URL."""
        return self.storage_url or self.data_dir

    @property
    def scratch_dir(self) -> Path:
        """The folder of files that pass between the steps of a job; safe to delete when no job runs."""
        return (self.data_dir / "scratch") if self.scratch is None else self.scratch / "coterie-scratch"

    @property
    def models_path(self) -> Path:
        """The folder of the models, one folder each."""
        return self.models_dir or self.data_dir / "models"

    @property
    def key_path(self) -> Path:
        """Where the first start leaves its key, readable by the owner only."""
        return self.data_dir / "bootstrap.key"
