"""A node's settings: `node.toml` in its data folder, then environment variables `SUYUAN_…`, which win.

Every value is checked when the node starts; a wrong one is named with what was expected.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, IPvAnyNetwork, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ledger import policy
from ledger.errors import Malformed
from ledger.limits import FREE_BYTES_MIN, OUTSIDE_WITNESSES_ENTRIES_MAX
from node.cosigning.address import parse_address
from node.errors import WrongSettings

CONFIG_FILE = "node.toml"
POLICY_FILE = "policy.txt"
Port = Annotated[int, Field(ge=0, le=65_535)]


def write_policy(data: Path, trusted: policy.Policy) -> None:
    """What readers pin."""
    (data / POLICY_FILE).write_text(policy.format_policy(trusted))


class Settings(BaseSettings):
    """`host` is where the node listens. Port 0 picks a free one, and `endpoints.json` says which. A relative
    `log_file` lies in the data folder; without one the log goes to stderr; with `log_file_bytes_max` 0 others rotate
    it. Below `free_bytes_min` of disk the node takes nothing new. `public_url` is what consumers' links begin with;
    `http_proxies` are the addresses whose X-Forwarded-For is believed. With the engine `cometbft`, CometBFT
    listens to its peers on `consensus_port`, and the node hears cosignatures on `cosign_port`. `witnesses` are
    outside ones, each "NAME+ID+KEY URL"."""

    model_config = SettingsConfigDict(env_prefix="SUYUAN_", extra="forbid")

    data: Path
    host: str = "127.0.0.1"
    members_port: Port = 7410
    readers_port: Port = 7411
    metrics_port: Port = 7412
    http_port: Port = 7413
    public_url: Annotated[str, Field(pattern=r"^(https?://[A-Za-z0-9.\[\]:_-]+)?$")] = ""
    http_proxies: list[IPvAnyNetwork] = []
    http_client_requests_per_second: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    engine: Literal["embedded", "cometbft"] = "embedded"
    cometbft_program: Path = Path("cometbft")
    consensus_port: Port = 26_656
    cosign_port: Port = 7420
    witnesses: Annotated[list[str], Field(max_length=OUTSIDE_WITNESSES_ENTRIES_MAX)] = []
    log_level: str = "info"
    log_json: bool = True
    clock_is_right: bool = False  # the operator's word, after the node stood still for weeks
    in_flight_envelopes_max: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    in_flight_bytes_max: Annotated[int, Field(ge=1_048_576)] = 64 * 1024 * 1024
    free_bytes_min: Annotated[int, Field(ge=FREE_BYTES_MIN)] = 256 * 1024 * 1024
    log_file: Path | None = None
    log_file_bytes_max: Annotated[int, Field(ge=0)] = 64 * 1024 * 1024
    log_files_kept: Annotated[int, Field(ge=1, le=1000)] = 5

    @field_validator("witnesses")
    @classmethod
    def _addresses(cls, value: list[str]) -> list[str]:
        for one in value:
            try:
                parse_address(one)
            except Malformed as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value not in ("debug", "info", "warning", "error"):
            raise ValueError("must be debug, info, warning or error")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = init_settings()
        file = Path(str(given.get("data", "."))) / CONFIG_FILE
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


def load_settings(data: Path, options: Mapping[str, Any] | None = None) -> Settings:
    """The settings of the node in `data`. WrongSettings names each wrong one, where it stands, what is expected."""
    given, file = options or {}, data / CONFIG_FILE
    try:
        return Settings(data=data, **given)
    except ValidationError as error:
        raise WrongSettings("; ".join(_flaw(file, given, one) for one in error.errors())) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongSettings(f"{file}: {error}") from None


def _flaw(file: Path, options: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    name, variable = ".".join(map(str, found["loc"])), f"SUYUAN_{str(found['loc'][0]).upper()}"
    if found["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        return f"{file}: there is no setting {name}" + (f" (is {near[0]} meant?)" if near else "")
    where = "option" if found["loc"][0] in options else variable if variable in os.environ else file
    return f"{where}: setting {name}: {found['msg']} (found {found['input']!r})"
