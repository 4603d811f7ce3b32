"""What a server allows and how it runs models."""

from __future__ import annotations

from pydantic import Field

from pickaxe.kernel.config import Config


class ServeConfig(Config):
    """Limits of one serving process. Nothing here changes an answer, only whether and how fast it comes."""

    max_texts: int = Field(default=1000, ge=1, description="texts in one request")
    max_chars: int = Field(default=20_000, ge=1, description="characters in one text")
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, description="bytes of a request's body; more is 413")
    body_seconds: float = Field(default=10.0, gt=0, description="time a client has to send its body; more is 408")
    predict_seconds: float = Field(
        default=30.0, gt=0, description="time a model has to answer, waiting in line included; more is 504"
    )
    load_seconds: float = Field(default=60.0, gt=0, description="time a model that runs apart has to be loaded")
    model_bytes: int = Field(
        default=2 << 30, ge=1 << 20, description="memory a model that runs apart may take beside its files; more is 503"
    )
    max_in_flight: int = Field(default=256, ge=1, description="predictions under way at once; more is 503 with Retry-After")
    max_trace_queue: int = Field(default=4096, ge=1, description="answers waiting for their trace to be written; more is 503")
    inline_ms: float = Field(default=2.0, ge=0, description="a call expected to take longer leaves the event loop for a thread")
    max_batch_texts: int = Field(
        default=64, ge=1, description="texts that a slow model is given in one call on behalf of several requests"
    )
    min_batch_gain: float = Field(
        default=1.5, ge=1, description="speed-up of a batch, measured at load, that makes batching worth it"
    )
    reload_seconds: float = Field(default=0.5, gt=0, description="how often the endpoints are compared with the catalog")
