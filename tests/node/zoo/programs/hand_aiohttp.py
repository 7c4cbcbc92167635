"""aiohttp, by hand."""

import sys

from aiohttp import web
from by_hand import answer


async def post(request):
    reply = answer(await request.json())
    return web.Response(status=202) if reply is None else web.json_response(reply)


app = web.Application()
app.router.add_post("/mcp", post)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
