"""Traces of the models' runs by OpenTelemetry: what was called, how long it took, what it used; not what was said."""

from __future__ import annotations

import os

from pydantic_ai.models.instrumented import InstrumentationSettings

CONTENT = "FDS_TRACE_CONTENT"
"""`true` puts questions, answers and data into the traces as well."""
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def settings() -> InstrumentationSettings:
    """How a model's run is traced."""
    return InstrumentationSettings(include_content=os.environ.get(CONTENT) == "true")


def start() -> None:
    """Send traces by OTLP over gRPC to where OpenTelemetry's own variable says; without it nothing leaves."""
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
