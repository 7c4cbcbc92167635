"""Pydantic AI."""

import asyncio

from fastmcp.client.transports import StdioTransport
from loop import arguments
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


async def main():
    url, hub = arguments()
    model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=f"{url}/v1", api_key="none"))
    agent = Agent(model, toolsets=[MCPToolset(StdioTransport(hub, ["--mcp"]))])
    async with agent:
        await agent.run("Do what the model says.")


asyncio.run(main())
