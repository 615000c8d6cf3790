"""The environment, parsed once into a typed model."""

import os
from datetime import timedelta
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """What template.yaml gives every function. Each function gets only what it needs; the rest stays empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    table: str = Field(default="", alias="GREENLIGHT_TABLE")
    uploads_bucket: str = Field(default="", alias="GREENLIGHT_UPLOADS_BUCKET")
    results_bucket: str = Field(default="", alias="GREENLIGHT_RESULTS_BUCKET")
    playback_bucket: str = Field(default="", alias="GREENLIGHT_PLAYBACK_BUCKET")
    event_bus: str = Field(default="", alias="GREENLIGHT_EVENT_BUS")
    state_machine_arn: str = Field(default="", alias="GREENLIGHT_STATE_MACHINE_ARN")
    default_procedure: str = Field(default="default_pre", alias="GREENLIGHT_DEFAULT_PROCEDURE")
    upload_expiry: timedelta = Field(default=timedelta(hours=1), alias="GREENLIGHT_UPLOAD_EXPIRY")
    publish_queue: str = Field(default="", alias="GREENLIGHT_PUBLISH_QUEUE", description="URL")
    daily_budget: timedelta = Field(
        default=timedelta(0), alias="GREENLIGHT_DAILY_BUDGET", description="of video; zero is no limit"
    )
    playback_ttl: timedelta = Field(default=timedelta(minutes=10), alias="GREENLIGHT_PLAYBACK_TTL")
    playback_signer: Literal["cloudfront", "s3"] = Field(default="cloudfront", alias="GREENLIGHT_PLAYBACK_SIGNER")
    playback_domain: str = Field(default="", alias="GREENLIGHT_PLAYBACK_DOMAIN")
    playback_key_pair_id: str = Field(default="", alias="GREENLIGHT_PLAYBACK_KEY_PAIR_ID")
    playback_key_secret: str = Field(default="", alias="GREENLIGHT_PLAYBACK_KEY_SECRET")
    distribution_id: str = Field(default="", alias="GREENLIGHT_DISTRIBUTION_ID")
    weights: str = Field(default="/opt/weights", alias="GREENLIGHT_WEIGHTS")
    plain_http_source: bool = Field(
        default=False, alias="GREENLIGHT_PLAIN_HTTP_SOURCE", description="local stack only: ffmpeg may read http"
    )
    keep_post_on_failure: bool = Field(default=False, alias="GREENLIGHT_KEEP_POST_ON_FAILURE")


@cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings.model_validate(dict(os.environ))
