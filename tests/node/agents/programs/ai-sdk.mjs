// The AI SDK of Vercel. It is installed elsewhere: its modules are looked for from the working directory's own packages.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, hub] = process.argv.slice(2);
const require = createRequire(`${process.env.PACKAGES}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { generateText, stepCountIs } = await load("ai");
const { createMCPClient } = await load("@ai-sdk/mcp");
const { Experimental_StdioMCPTransport: Stdio } = await load("@ai-sdk/mcp/mcp-stdio");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");

const client = await createMCPClient({ transport: new Stdio({ command: hub, args: ["--mcp"] }) });
const model = createOpenAICompatible({ name: "scripted", baseURL: `${url}/v1` })("scripted");
await generateText({ model, tools: await client.tools(), prompt: "Do what the model says.", stopWhen: stepCountIs(50) });
await client.close();
