"""FastMCP's client."""

import asyncio

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from loop import arguments, converse


async def main():
    url, hub = arguments()
    async with Client(StdioTransport(command=hub, args=["--mcp"])) as client:

        async def names():
            return [tool.name for tool in await client.list_tools()]

        async def call(name, given):
            result = await client.call_tool(name, given)
            parts = [getattr(part, "text", "") for part in result.content]
            return "\n".join([*parts, str(result.structured_content or "")])

        await converse(url, names, call)


asyncio.run(main())
