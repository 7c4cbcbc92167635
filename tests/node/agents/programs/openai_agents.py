"""The OpenAI Agents SDK."""

import asyncio

from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio
from loop import arguments
from openai import AsyncOpenAI


async def main():
    url, hub = arguments()
    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel("scripted", AsyncOpenAI(base_url=f"{url}/v1", api_key="none"))
    server = MCPServerStdio({"command": hub, "args": ["--mcp"]}, client_session_timeout_seconds=60)
    async with server:
        agent = Agent("scripted", model=model, mcp_servers=[server])
        await Runner.run(agent, "Do what the model says.", max_turns=50)


asyncio.run(main())
