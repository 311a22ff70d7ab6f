"""HTTPS by an SSLContext of the user's own, which `server.py` cannot take. Slower; knows nothing of the API."""

from __future__ import annotations

import ssl
import threading
from typing import Self

from werkzeug.serving import WSGIRequestHandler, make_server

from sarkmock.server.https_server import Application, listen

POLL = 0.02  # seconds until `stop` is noticed


class Quiet(WSGIRequestHandler):
    """Keeps connections alive and logs nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, *_: object) -> None:
        pass


class ContextServer:
    """Serves an application in threads of this process until `stop`."""

    def __init__(self, app: Application, host: str, port: int, context: ssl.SSLContext) -> None:
        self._listener = listen(host, port)
        self._listener.setblocking(True)
        self._server = make_server(host, port, app, threaded=True, request_handler=Quiet, ssl_context=context,
                                   fd=self._listener.fileno())
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._listener.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
