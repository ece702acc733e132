"""A back end's end of webhooks: livekit-api's own receiver verifies each."""

import http.server
import json
import queue
import threading

from livekit import api


class Hook:
    """Takes every webhook at `url`."""

    def __init__(self, key, secret):
        self.receiver = api.WebhookReceiver(api.TokenVerifier(key, secret))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.got = queue.Queue()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def told(self):
        """The next event, its signature verified."""
        body, token = self.server.got.get(timeout=30)
        if not json.loads(body)["id"].startswith("EV_"):
            raise AssertionError(f"an event without an id: {body}")

        return self.receiver.receive(body, token)

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """Keeps body and signature."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.got.put((body, self.headers["Authorization"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass
