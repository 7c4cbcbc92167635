// A stdio MCP server that does what tests of `register --stdio` need, without a library. It says on standard error what it is
// told of its life. Arguments: `garbage` makes it write lines that are no messages; `slow-start` makes it wait for its first line.
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (value) => ({ content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }] });

const tools = ['echo', 'raw', 'progress', 'never', 'ask', 'roots', 'die', 'pid', 'log', 'touch', 'grow', 'mute'].map((name) => ({
  name,
  description: `The tool ${name}`,
  inputSchema: { type: 'object' },
}));

let next = 0;
const asked = new Map();
const subscribed = [];
const cancelled = [];
let client;

const ask = (method, params) =>
  new Promise((resolve) => {
    const id = `q-${(next += 1)}`;
    asked.set(id, resolve);
    send({ id, method, params });
  });

const calls = {
  echo: (args) => text(args),
  pid: () => text({ pid: process.pid, client, subscribed, cancelled }),
  never: () => new Promise(() => {}),
  raw: (args, _, id) => {
    process.stdout.write(`${args.line.replace('ID', id)}\n`);
    return new Promise(() => {});
  },
  die: (args) => {
    if (args?.words) process.stderr.write(`${args.words}\n`);
    process.exit(7);
  },
  mute: () => {
    closeSync(1);
    setInterval(() => {}, 60_000);
    return new Promise(() => {});
  },
  progress: async (args, meta) => {
    for (let step = 1; step <= 3; step += 1) {
      send({ method: 'notifications/progress', params: { progressToken: meta.progressToken, progress: step, message: `${args.who}` } });
    }
    return text(args);
  },
  ask: async (args) => {
    const answer = await ask('elicitation/create', {
      message: args.question,
      requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
    });
    return text(answer.result ?? answer.error);
  },
  roots: async () => {
    const answer = await ask('roots/list', {});
    return text(answer.result ?? answer.error);
  },
  log: (args) => {
    send({ method: 'notifications/message', params: { level: args.level, data: args.data } });
    return text('logged');
  },
  touch: (args) => {
    send({ method: 'notifications/resources/updated', params: { uri: args.uri } });
    return text('touched');
  },
  grow: () => {
    tools.push({ name: `grown-${tools.length}`, description: 'New', inputSchema: { type: 'object' } });
    send({ method: 'notifications/tools/list_changed' });
    return text('grown');
  },
};

const requests = {
  initialize: (params) => {
    client = { name: params.clientInfo?.name, capabilities: params.capabilities };
    return {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {}, resources: { subscribe: true }, logging: {} },
      serverInfo: { name: 'scripted', version: '1' },
    };
  },
  ping: () => ({}),
  'tools/list': () => ({ tools }),
  'resources/list': () => ({ resources: [{ uri: 'test://a', name: 'a' }] }),
  'resources/templates/list': () => ({ resourceTemplates: [] }),
  'resources/subscribe': (params) => {
    subscribed.push(params.uri);
    return {};
  },
  'resources/unsubscribe': (params) => {
    subscribed.splice(subscribed.indexOf(params.uri), 1);
    return {};
  },
  'logging/setLevel': () => ({}),
  'tools/call': (params, id) => calls[params.name](params.arguments ?? {}, params._meta ?? {}, id),
};

process.stderr.write(`started ${process.pid}\n`);
if (process.argv.includes('garbage')) {
  process.stdout.write('Welcome to the server!\n\n{"jsonrpc":"1.0"}\n[]\n{"jsonrpc":"2.0","id":99999,"result":{}}\n');
}

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const message = JSON.parse(line);
    if (message.method === undefined) {
      asked.get(message.id)?.(message);
      asked.delete(message.id);
      return;
    }
    if (message.method === 'notifications/cancelled') {
      cancelled.push(message.params.requestId);
    }
    if (message.id === undefined) return;
    const handler = requests[message.method];
    if (handler === undefined) {
      send({ id: message.id, error: { code: -32601, message: 'Method not found' } });
      return;
    }
    const result = await handler(message.params ?? {}, message.id);
    send({ id: message.id, result });
  })
  .on('close', () => {
    process.stderr.write('input closed\n');
    process.exit(0);
  });
