"""Run a name server for tests, over TCP, which answers with the IPv4 addresses that a function returns."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Sequence

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

Resolve = Callable[[str], Sequence[str]]
"""Function that returns the IPv4 addresses of a host name, or an empty list if the name does not exist."""


class NameServer:
    """A name server on a free port of the loopback interface, which answers from `start` to `stop`."""

    def __init__(self, resolve: Resolve) -> None:
        self._server = _Server(resolve)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="names", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, resolve: Resolve) -> None:
        super().__init__(("127.0.0.1", 0), _Question)
        self.resolve = resolve


class _Question(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        query, _ = dns.query.receive_tcp(self.request)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA
        question = query.question[0]
        found = self.server.resolve(question.name.to_text(omit_final_dot=True).lower())
        if not found:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", *found))
        dns.query.send_tcp(self.request, answer)
