"""Flask, by hand; it answers notifications with 204."""

import sys

from by_hand import answer
from flask import Flask, jsonify, request

app = Flask(__name__)


@app.post("/mcp")
def post():
    reply = answer(request.get_json())
    return ("", 204) if reply is None else jsonify(reply)


app.run("127.0.0.1", int(sys.argv[1]))
