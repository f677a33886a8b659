"""Send traces to a real OTLP receiver. They contain questions, answers and data only with `FDS_TRACE_CONTENT=true`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from agents.llm.tracing import CONTENT, ENDPOINT
from tests.evals.environment import EvalEnvironment
from tests.kit.model import scripted_model


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]
    """An OTLP receiver that stores the spans it receives."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, _: Any) -> Any:
        self.spans += [span for of in request.resource_spans for scope in of.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    received, server = Receiver(), grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(received, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield received, f"http://127.0.0.1:{port}"
    server.stop(None)


@pytest.mark.parametrize("content", ["", "true"])
def test_traces_contain_questions_answers_and_data_only_if_fds_trace_content_is_true(
    receiver: tuple[Receiver, str], tmp_path: Path, content: str
) -> None:
    received, url = receiver
    EvalEnvironment(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: freelancer-data-stack\nruntime: python\n")
    query = ("duckdb_query", {"sql": "SELECT note AS secret_data FROM notes"})
    with scripted_model([[query], [("answer", {"text": "a secret answer"})]]) as model:
        more = {
            **model.environment,
            ENDPOINT: url,
            CONTENT: content,
            "FDS_DATABASE": str(tmp_path / "warehouse.duckdb"),
        }
        words = [sys.executable, "-m", "fds.main", "ask", "a secret question", "--stack", "prod"]
        done = subprocess.run(words, cwd=tmp_path, env=os.environ | more, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    names = {span.name for span in received.spans}
    assert {"chat double", "execute_tool duckdb_query", "invoke_agent data_platform_engineer"} <= names
    found = [word for word in ("secret question", "secret answer", "secret_data") if word in str(received.spans)]
    assert len(found) == (3 if content else 0)
