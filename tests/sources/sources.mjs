// Real tools that record what they run: each is started for real, found by a hub, its tools called through that, and killed.
// `cargo xtask sources` installs what it needs and starts it. Arguments: names of some tools; without: all.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { within } from '../node/api/support.mjs';
import { Hub } from '../node/hub.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const bin = (name) => join(here, 'node_modules/.bin', name);
const page = '<!doctype html><title>it</title><script type="module">console.log(1)</script>';

/** Each with the files of its project, how it is started, where its trace comes to lie, and what the hub is to make of it. */
const tools = {
  vite: {
    files: { 'index.html': page, 'package.json': '{"name":"web"}' },
    command: [bin('vite'), '--port', '0'],
    source: 'ports',
  },
  devtools: {
    files: {
      'index.html': page,
      'package.json': '{"name":"web","type":"module"}',
      'vite.config.js': "export default { devtools: { enabled: true } };",
    },
    command: [bin('vite'), '--port', '0'],
    trace: ({ home }) => join(home, '.devframe/instances'),
    visit: '/__devtools/', // It is recorded at the first request, which tells it its origin.
    source: 'devframe',
    mcp: true,
  },
  storybook: {
    files: {
      'package.json': '{"name":"web","type":"module"}',
      '.storybook/main.js': "export default { stories: ['../*.stories.js'], framework: '@storybook/html-vite', addons: ['@storybook/addon-mcp'] };",
      'a.stories.js': "export default { title: 'A', render: () => 'a' };\nexport const One = {};",
    },
    command: [bin('storybook'), 'dev', '--ci', '--no-open', '--port', '6106', '--disable-telemetry'],
    trace: ({ home }) => join(home, '.storybook/instances'),
    source: 'storybook',
    mcp: true,
  },
  next: {
    files: {
      'package.json': '{"name":"web"}',
      'next.config.js': `module.exports = { turbopack: { root: ${JSON.stringify('ROOT')} } };`,
      'app/layout.js': 'export default ({ children }) => <html><body>{children}</body></html>;',
      'app/page.js': 'export default () => <p>hi</p>;',
    },
    command: [bin('next'), 'dev', '--port', '3106'],
    trace: ({ project }) => join(project, '.next/dev/lock'),
    source: 'next',
    mcp: true,
  },
  nuxt: {
    files: { 'package.json': '{"name":"web"}', 'app.vue': '<template><p>hi</p></template>' },
    command: [bin('nuxt'), 'dev', '--port', '3107', '--host', '127.0.0.1', '--no-fork'],
    environment: { NUXT_LOCK: '1', NUXT_TELEMETRY_DISABLED: '1' },
    trace: ({ project }) => join(project, '.nuxt/nuxt.lock'),
    source: 'nuxt',
  },
  astro: {
    files: { 'package.json': '{"name":"web","type":"module"}', 'src/pages/index.astro': '<p>hi</p>' },
    command: [bin('astro'), 'dev', '--port', '4331'],
    environment: { ASTRO_TELEMETRY_DISABLED: '1' },
    trace: ({ project }) => join(project, '.astro/dev.json'),
    source: 'astro',
  },
  portless: {
    files: {
      'package.json': '{"name":"shop","scripts":{"dev":"node server.js"}}',
      'server.js': "require('http').createServer((_, it) => it.end('hi')).listen(process.env.PORT);",
    },
    command: [bin('portless'), 'run', 'node', 'server.js'],
    environment: { PORTLESS_PORT: '1366', PORTLESS_HTTPS: '0' },
    trace: ({ home }) => join(home, '.portless/routes.json'),
    fits: (server) => server.also?.[0] === 'http://shop.localhost:1366/',
  },
  tidewave: {
    files: {
      'index.html': page,
      'package.json': '{"name":"web","type":"module","devDependencies":{"tidewave":"*"}}',
      'vite.config.js': "import tidewave from 'tidewave/vite-plugin';\nexport default { plugins: [tidewave()] };",
    },
    command: [bin('vite'), '--port', '0'],
    source: 'ports',
    mcp: true,
  },
};

class ListeningHub extends Hub {
  hear({ method }) {
    if (method === 'notifications/resources/updated') this.changed?.();
  }

  async open() {
    await super.open();
    await this.ask('resources/subscribe', { uri: 'brummer://instances' });
  }

  /** Waits until the list is as wanted; the moment of the announcement that led to it. */
  until(what, wanted) {
    const look = async () => {
      for (;;) {
        const told = new Promise((resolve) => (this.changed = () => resolve(performance.now())));
        const { result } = await this.ask('resources/read', { uri: 'brummer://instances' });
        const list = JSON.parse(result.contents[0].text);
        const found = wanted(list);
        if (found) return { found, at: this.at ?? performance.now() };
        this.at = await told;
      }
    };
    return within(look(), what);
  }
}

/** Ports on which something listens, as the kernel says. */
const listening = () => {
  const ports = new Set();
  for (const table of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/net/${table}`, 'utf8').split('\n').slice(1)) {
      const [, address, , state] = line.trim().split(/\s+/);
      if (state === '0A') ports.add(Number.parseInt(address.split(':')[1], 16));
    }
  }
  return ports;
};

/** When the trace was written, and when its port was opened. */
async function watch({ trace, visit }, before, ended) {
  const records = () => {
    if (trace === undefined || !existsSync(trace)) return [];
    const files = trace.match(/\/[^/]*[.]json$|lock$/) ? [trace] : readdirSync(trace).map((name) => join(trace, name));
    return files.flatMap((file) => {
      try {
        const read = JSON.parse(readFileSync(file, 'utf8'));
        return (Array.isArray(read) ? read : [read]).filter((it) => it.port > 0);
      } catch {
        return [];
      }
    });
  };
  let written;
  let visited;
  for (;;) {
    assert.ok(!ended.value, 'the tool has ended');
    const [record] = records();
    if (record !== undefined) written ??= performance.now();
    const open = listening();
    const own = [...open].find((it) => !before.has(it));
    if (visit !== undefined && own !== undefined) visited ??= fetch(`http://localhost:${own}${visit}`);
    const port = trace === undefined ? own : record?.port;
    if (port !== undefined && open.has(port)) return { written, opened: performance.now(), port };
    await pause(2);
  }
}

async function run(name) {
  const tool = tools[name];
  const work = mkdtempSync(join(tmpdir(), `brummer-${name}-`));
  const home = join(work, 'home');
  const project = join(work, 'web');
  for (const directory of [home, project]) mkdirSync(directory);
  for (const [file, contents] of Object.entries(tool.files)) {
    mkdirSync(dirname(join(project, file)), { recursive: true });
    writeFileSync(join(project, file), contents.replace('ROOT', '/'));
  }
  symlinkSync(join(here, 'node_modules'), join(project, 'node_modules'));
  const environment = { PATH: `${here}node_modules/node/bin:${process.env.PATH}`, HOME: home, TMPDIR: work, CI: '1' };
  const hub = new ListeningHub('the hub', ['--no-auto-connect', '--sources', 'all'], { env: environment, cwd: project });
  await hub.open();
  const before = listening();
  const output = [];
  const child = spawn('node', tool.command, { env: { ...environment, ...tool.environment }, cwd: project, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => output.push(part));
  const ended = { value: false };
  child.once('exit', () => (ended.value = true));
  try {
    const watched = watch({ trace: tool.trace?.({ home, project }), visit: tool.visit }, before, ended);
    const isIt = (server) => (tool.fits ? tool.fits(server) : server.source === tool.source);
    const served = hub.until('the dev server is found', ({ dev_servers = [] }) => dev_servers.find(isIt));
    const { written, opened, port } = await watched;
    const since = Math.max(opened, written ?? 0);
    const { found, at } = await served;
    assert.equal(found.port, port);
    const row = { tool: name, trace: written && written < opened ? `${Math.round(opened - written)} ms before its port` : '', found: at - since };
    if (tool.mcp) {
      const active = await hub.until('its MCP server is active', ({ instances }) => instances.find((it) => it.port === port && it.state === 'active'));
      row.active = active.at - since;
      const of = { instance_id: active.found.id };
      const listed = await hub.call('instances_tools', of);
      const all = listed.result.structuredContent.instances?.[0]?.tools ?? listed.result.structuredContent.tools;
      row.tools = all.length;
      const plain = all.find((it) => !(it.inputSchema?.required?.length > 0)) ?? all[0];
      const called = await hub.call('instances_call', { ...of, tool: plain.name, arguments: {} });
      // Whoever misses an argument has been called all the same.
      assert.ok(called.result || called.error.code === -32602, `${plain.name}: ${JSON.stringify(called)}`);
      row.called = `${plain.name}${called.error || called.result.isError ? ', which wants arguments' : ''}`;
    }
    process.kill(-child.pid, 'SIGKILL');
    const killed = performance.now();
    const is = (it) => it.port === port;
    const left = await hub.until('it is gone', ({ instances, dev_servers = [] }) => !instances.some(is) && !dev_servers.some(is));
    row.gone = left.at - killed;
    return row;
  } catch (error) {
    console.error(Buffer.concat(output).toString().split('\n').slice(-40).join('\n'));
    throw error;
  } finally {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
    // The proxy of portless stays beside its servers.
    const proxy = join(home, '.portless/proxy.pid');
    if (existsSync(proxy)) process.kill(Number(readFileSync(proxy, 'utf8')), 'SIGKILL');
    hub.child.stdin.end();
    await hub.ended;
    rmSync(work, { recursive: true, force: true });
  }
}

const chosen = process.argv.slice(2);
const ms = (value) => (value === undefined ? '-' : `${value.toFixed(0)} ms`);
for (const name of chosen.length > 0 ? chosen : Object.keys(tools)) {
  const row = await run(name);
  const mcp = row.active === undefined ? '' : `, MCP after ${ms(row.active)} (${row.tools} tools, called ${row.called})`;
  const early = row.trace ? `, trace ${row.trace}` : '';
  console.log(`${name}: listed after ${ms(row.found)}${mcp}, gone after ${ms(row.gone)}${early}`);
}
