"""The real binary, started as an operator would."""

import os
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request

BINARY = os.environ["MILLRACE_BIN"]
USER, PASSWORD = "bench", "secret"


def free_port():
    """A port that was free a moment ago, for TCP and UDP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            with socket.socket() as tcp:
                try:
                    tcp.bind(("127.0.0.1", port))
                    return port
                except OSError:
                    continue


class Server:
    """`millrace serve` on free ports of loopback; a context that ends it."""

    def __init__(self, settings=None):
        self.settings = settings or {}
        self.http, self.media, self.tls = free_port(), free_port(), free_port()
        self.directory = tempfile.TemporaryDirectory(prefix="millrace-interop-")

    def __enter__(self):
        settings = {
            "http.listen": f"127.0.0.1:{self.http}",
            "http.tls_listen": "",
            "media.listen": f"127.0.0.1:{self.media}",
            "media.shards": "2",
            "data.directory": self.directory.name,
            "control.socket": os.path.join(self.directory.name, "relay.sock"),
            "turn.tls_listen": f"127.0.0.1:{self.tls}",
            "turn.hostname": "localhost",
            f"turn.users.{USER}": PASSWORD,
            **self.settings,
        }
        flags = [f for key, value in settings.items() for f in ("--set", f"{key}={value}")]
        self.log = open(os.path.join(self.directory.name, "log"), "w+")
        self.process = subprocess.Popen(
            [BINARY, "serve", *flags], stdout=self.log, stderr=self.log, cwd=self.directory.name
        )
        self._wait()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
        self.directory.cleanup()

    def certificate(self):
        """The certificate that TURN over TLS shows, PEM."""
        return ssl.get_server_certificate(("127.0.0.1", self.tls))

    def _wait(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        self.log.seek(0)
        raise AssertionError(f"the server is not ready:\n{self.log.read()}")
