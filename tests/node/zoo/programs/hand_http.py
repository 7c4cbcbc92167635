"""http.server, by hand: HTTP/1.0, one connection for each answer, and one request at a time."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from by_hand import answer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        reply = answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(202 if reply is None else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if reply is not None:
            self.wfile.write(json.dumps(reply).encode())


HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
