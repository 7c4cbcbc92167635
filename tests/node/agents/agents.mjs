// The agents and clients, as data: what is installed, how each is told of the hub and of the model, and how it is
// started. In functions, `it` has `home` and `work` (directories), `url` (of the model) and `hub` (the command).

const json = (value) => JSON.stringify(value, null, 2);
const PROMPT = "Do what the model says.";
const program = (name) => new URL(`programs/${name}`, import.meta.url).pathname;

/** A client library: a small program of ours is the agent. It is told of the hub and of the model by its arguments. */
const library = (language, name) => ({
  command: (it) => [...(language === "python" ? ["python"] : ["node"]), program(name), it.url, it.hub],
});

export const AGENTS = [
  {
    id: "claude-code",
    title: "Claude Code",
    npm: ["@anthropic-ai/claude-code"],
    install: "claude-code",
    env: (it) => ({ ANTHROPIC_BASE_URL: it.url, ANTHROPIC_API_KEY: "none", DISABLE_AUTOUPDATER: "1", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1" }),
    command: () => ["claude", "-p", PROMPT, "--allowedTools", "mcp__brummer-hub,ToolSearch"],
  },
  {
    id: "codex",
    title: "Codex",
    npm: ["@openai/codex"],
    install: "codex",
    files: (it) => ({
      ".codex/config.toml": `model = "scripted"
model_provider = "scripted"

[model_providers.scripted]
name = "scripted"
base_url = "${it.url}/v1"
wire_api = "responses"
`,
    }),
    command: () => ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", PROMPT],
  },
  {
    id: "gemini",
    title: "Gemini CLI",
    npm: ["@google/gemini-cli"],
    install: "gemini",
    files: () => ({ ".gemini/settings.json": json({ security: { auth: { selectedType: "gemini-api-key" } } }) }),
    env: (it) => ({ GOOGLE_GEMINI_BASE_URL: it.url, GEMINI_API_KEY: "none", GEMINI_CLI_TRUST_WORKSPACE: "true" }),
    command: () => ["gemini", "--model", "gemini-2.5-flash", "--approval-mode", "yolo", "-p", PROMPT],
  },
  {
    id: "opencode",
    title: "opencode",
    npm: ["opencode-ai"],
    install: "opencode",
    files: (it) => ({
      ".config/opencode/opencode.json": json({
        provider: {
          scripted: {
            npm: "@ai-sdk/openai-compatible",
            options: { baseURL: `${it.url}/v1`, apiKey: "none" },
            models: { scripted: { tool_call: true } },
          },
        },
      }),
    }),
    command: () => ["opencode", "run", "--model", "scripted/scripted", PROMPT],
  },
  {
    id: "qwen",
    title: "Qwen Code",
    npm: ["@qwen-code/qwen-code"],
    install: "qwen",
    files: () => ({ ".qwen/settings.json": json({ security: { auth: { selectedType: "openai" } } }) }),
    env: (it) => ({ OPENAI_BASE_URL: `${it.url}/v1`, OPENAI_API_KEY: "none", OPENAI_MODEL: "scripted" }),
    command: () => ["qwen", "--approval-mode", "yolo", "-p", PROMPT],
  },
  {
    id: "copilot",
    title: "Copilot CLI",
    npm: ["@github/copilot"],
    install: "copilot",
    env: (it) => ({ COPILOT_PROVIDER_BASE_URL: `${it.url}/v1`, COPILOT_PROVIDER_TYPE: "openai", COPILOT_PROVIDER_API_KEY: "none", COPILOT_MODEL: "scripted" }),
    command: () => ["copilot", "--allow-all-tools", "-p", PROMPT],
  },
  {
    id: "continue",
    title: "Continue `cn`",
    npm: ["@continuedev/cli"],
    install: "continue",
    files: (it) => ({
      ".continue/config.yaml": `name: local
version: 1.0.0
schema: v1
models:
  - name: scripted
    provider: openai
    model: scripted
    apiKey: none
    apiBase: ${it.url}/v1
    roles: [chat]
    capabilities: [tool_use]
`,
    }),
    command: (it) => ["cn", "--auto", "--config", `${it.home}/.continue/config.yaml`, "-p", PROMPT],
  },
  {
    id: "cline",
    title: "Cline CLI",
    npm: ["cline"],
    install: "cline",
    setup: (it) => [["cline", "auth", "--provider", "openai", "--apikey", "none", "--modelid", "scripted", "--baseurl", `${it.url}/v1`]],
    command: () => ["cline", "--yolo", PROMPT],
  },
  { id: "python-sdk", title: "Python SDK", pip: ["mcp"], ...library("python", "python_sdk.py") },
  { id: "fastmcp", title: "FastMCP", pip: ["fastmcp"], ...library("python", "fastmcp_client.py") },
  {
    id: "langchain",
    title: "LangChain adapters",
    pip: ["langchain-mcp-adapters", "langchain-openai", "langgraph", "langchain"],
    ...library("python", "langchain_agent.py"),
  },
  { id: "openai-agents", title: "OpenAI Agents SDK", pip: ["openai-agents"], ...library("python", "openai_agents.py") },
  { id: "pydantic-ai", title: "Pydantic AI", pip: ["pydantic-ai-slim[mcp,openai]"], ...library("python", "pydantic_agent.py") },
  { id: "mcp-use", title: "mcp-use", pip: ["mcp-use", "langchain-openai"], ...library("python", "mcp_use_agent.py") },
  {
    id: "ai-sdk",
    title: "AI SDK",
    npm: ["ai", "@ai-sdk/mcp", "@ai-sdk/openai-compatible"],
    ...library("node", "ai-sdk.mjs"),
  },
];
