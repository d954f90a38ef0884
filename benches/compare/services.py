"""Keys that a server holds, 20 ms away: a transit engine of Vault made for this, which encrypts nothing and waits before
each answer. So what is compared is how often, and how many at a time, the two programs wait."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DELAY = 0.02


class Transit(BaseHTTPRequestHandler):
    """Answers as the engine does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # Head and body in one piece.

    def answer(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        time.sleep(DELAY)
        if "/encrypt/" in self.path:
            data = {"ciphertext": "vault:v1:" + body["plaintext"]}
        else:
            data = {"plaintext": body["ciphertext"].removeprefix("vault:v1:")}
        text = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()
        with self.server.lock:
            self.server.calls += 1

    do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """A server on this machine, in threads of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Transit)
        self.lock = threading.Lock()
        self.calls = 0

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def key(self, number=0):
        return f"http://127.0.0.1:{self.server_address[1]}/v1/transit/keys/key-{number}"
