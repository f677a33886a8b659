"""Trace language model runs with OpenTelemetry: calls, durations and token usage; optionally questions and answers."""

from __future__ import annotations

import os

from pydantic_ai.models.instrumented import InstrumentationSettings

CONTENT = "FDS_TRACE_CONTENT"
"""Environment variable. If its value is `true`, the traces also contain questions, answers and data."""
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def settings() -> InstrumentationSettings:
    """Return the tracing settings of a model run."""
    return InstrumentationSettings(include_content=os.environ.get(CONTENT) == "true")


def start() -> None:
    """Send traces by OTLP over gRPC to the endpoint of `OTEL_EXPORTER_OTLP_ENDPOINT`; do nothing if it is not set."""
    if not os.environ.get(ENDPOINT):
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "fds-agents"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
