"""The client of the official Python SDK."""

import asyncio

from loop import arguments, converse
from mcp import Client, StdioServerParameters


async def main():
    url, hub = arguments()
    async with Client(StdioServerParameters(command=hub, args=["--mcp"])) as client:

        async def names():
            return [tool.name for tool in (await client.list_tools()).tools]

        async def call(name, given):
            return (await client.call_tool(name, given)).model_dump_json()

        await converse(url, names, call)


asyncio.run(main())
