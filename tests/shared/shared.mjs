// Real stdio servers, each shared by three hubs at once: many calls, no answer mixed up, one process each; then kills, each with its
// stated outcome, and nothing left behind. `cargo xtask shared` installs what it needs and starts it.
// Arguments: the number of calls that each hub sends to each server.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { within } from '../node/api/support.mjs';
import { Hub } from '../node/hub.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const binary = process.env.BRUMMER_HUB_BINARY;
const CALLS = Number(process.argv[2] ?? 500);
const HUBS = 3;
const IN_FLIGHT = 16;

const work = mkdtempSync(join(tmpdir(), 'brummer-shared-'));
const data = join(work, 'data');
const files = join(work, 'files');
const repository = join(work, 'repository');
for (const directory of [data, files, repository]) mkdirSync(directory);
const git = (...words) => execFileSync('git', ['-C', repository, '-c', 'user.name=t', '-c', 'user.email=t@localhost', ...words]);
git('init', '--quiet');
git('commit', '--quiet', '--allow-empty', '--message', 'one');

// Where `fetch` goes: each page says what it was asked for.
const pages = createServer((request, response) => response.end(`<main>page ${request.url.slice(1)}</main>`));
await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
const page = `http://127.0.0.1:${pages.address().port}/`;
const chromium = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));

const node = (name, ...rest) => ['node', join(here, 'node_modules/.bin', name), ...rest];
const python = (name, ...rest) => [join(here, '.venv/bin', name), ...rest];

/** How each is started, what each hub asks, and how an answer shows whose it is. */
const servers = {
  memory: {
    command: node('mcp-server-memory'),
    call: (of) => ['create_entities', { entities: [{ name: of, entityType: 'test', observations: [of] }] }],
    calls: 100, // It writes its whole file at each.
  },
  filesystem: {
    command: node('mcp-server-filesystem', files),
    call: (of) => ['write_file', { path: join(files, of), content: of }],
  },
  everything: { command: node('mcp-server-everything'), call: (of) => ['echo', { message: of }] },
  thinking: {
    command: node('mcp-server-sequential-thinking'),
    call: (_of, hub, n) => ['sequentialthinking', { thought: 't', nextThoughtNeeded: true, thoughtNumber: n + 1, totalThoughts: 1_000_000 + hub }],
    fits: (text, _of, hub, n) => {
      const said = JSON.parse(text);
      return said.thoughtNumber === n + 1 && said.totalThoughts === 1_000_000 + hub;
    },
  },
  time: {
    command: python('mcp-server-time'),
    call: (_of, hub, n) => [
      'convert_time',
      { source_timezone: 'UTC', target_timezone: 'UTC', time: `${String(hub + 1).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}` },
    ],
    fits: (text, _of, hub, n) => text.includes(`T${String(hub + 1).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}`),
  },
  git: {
    command: python('mcp-server-git', '--repository', repository),
    call: (of) => ['git_create_branch', { repo_path: repository, branch_name: of }],
    calls: 100, // Each is a process or two.
  },
  sqlite: {
    command: node('mcp-server-sqlite-npx', join(work, 'one.db')),
    call: (of) => ['read_query', { query: `SELECT '${of}'` }],
  },
  fetch: {
    command: python('mcp-server-fetch', '--ignore-robots-txt'),
    call: (of) => ['fetch', { url: page + of, raw: true }],
    calls: 100,
  },
};
if (chromium) {
  servers.devtools = {
    command: node('chrome-devtools-mcp', '--headless', '--isolated', `--executablePath=${chromium}`, '--chromeArg=--no-sandbox'),
    call: (of) => ['evaluate_script', { function: `() => '${of}'`, pageId: 1 }],
    calls: 50, // Each waits for the page to be quiet.
  };
  servers.playwright = {
    command: node('playwright-mcp', '--headless', '--isolated', '--no-sandbox', '--executable-path', chromium),
    call: (of) => ['browser_evaluate', { function: `() => '${of}'` }],
    calls: 50,
  };
} else {
  console.log('without Chromium: neither chrome-devtools-mcp nor @playwright/mcp');
}

const environment = { ...process.env, BRUMMER_DATA_DIR: data, MEMORY_FILE_PATH: join(work, 'memory.jsonl') };

class SharingHub extends Hub {
  constructor(number) {
    super(`hub ${number}`, ['--tools', 'all'], { env: environment, cwd: work });
    this.number = number;
  }

  hear({ method }) {
    if (method === 'notifications/progress') this.progress?.();
  }

  /** A call that takes longer than the test; `running` is when the server has told of progress. */
  start(name) {
    const running = within(new Promise((resolve) => (this.progress = resolve)), `progress at ${this.name}`);
    const params = { name: `${name}__trigger-long-running-operation`, arguments: { duration: 600, steps: 6000 } };
    return { running, answer: this.ask('tools/call', { ...params, _meta: { progressToken: 'same' } }) };
  }

  async health() {
    const { result } = await this.call('instances_health', {});
    return Object.fromEntries(result.structuredContent.instances.map((it) => [it.alias, it]));
  }

  async healthUntil(what, wanted) {
    const look = async () => {
      for (;;) {
        const health = await this.health();
        if (wanted(health)) return health;
        this.last = Object.values(health).map((it) => `${it.alias} ${it.state} ${it.last_error ?? ''}`);
        await pause(50);
      }
    };
    return within(look(), () => `${what}; there are ${this.last}`);
  }
}

const text = (message) => message.result?.content?.map((part) => part.text).join('\n') ?? JSON.stringify(message);
const isAlive = (pid) => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
const gone = (pid) => {
  const look = async () => {
    while (isAlive(pid)) await pause(20);
  };
  return within(look(), `the end of process ${pid}`);
};
const resident = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

const registered = Object.entries(servers).map(([name, { command }]) => {
  const child = spawn(binary, ['register', '--stdio', '--name', name, '--', ...command], { env: environment, cwd: work, stdio: 'ignore' });
  return { name, child, ended: new Promise((resolve) => child.once('exit', resolve)) };
});
// Also where an error that nobody awaited ends the script.
process.on('exit', () => {
  for (const { child } of registered) child.kill('SIGKILL');
});
const hubs = Array.from({ length: HUBS }, (_unused, number) => new SharingHub(number));
const names = Object.keys(servers);
try {
  await Promise.all(hubs.map((hub) => hub.open()));
  for (const hub of hubs) {
    await hub.healthUntil('all servers are active', (health) => names.every((name) => health[name]?.state === 'active'));
  }
  console.log(`${names.length} servers, ${HUBS} hubs`);

  let calls = 0;
  const workOff = (most) =>
    Promise.all(
      hubs.map(async (hub) => {
        for (const name of names) {
          const server = servers[name];
          const count = Math.min(most, server.calls ?? most);
          const one = async (n) => {
            const of = `of-${hub.number}-${most}-${n}-end`;
            const [tool, args] = server.call(of, hub.number, n);
            const said = text(await hub.call(`${name}__${tool}`, args));
            const fits = server.fits ? server.fits(said, of, hub.number, n) : said.includes(of);
            assert.ok(fits, `${name}: hub ${hub.number}, call ${n}: ${said.slice(0, 300)}`);
            calls += 1;
          };
          let next = 0;
          const lane = async () => {
            while (next < count) await one(next++);
          };
          await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
        }
      }),
    );
  // What is there from the first calls on, and what there is after all the others.
  const ours = () => [...registered.map(({ child }) => child.pid), ...hubs.map(({ child }) => child.pid)].map(resident);
  await workOff(Math.ceil(CALLS / 10));
  const early = ours();
  calls = 0;
  const began = performance.now();
  await workOff(CALLS);
  const seconds = (performance.now() - began) / 1000;
  console.log(`${calls} calls in ${seconds.toFixed(1)} s, none mixed up`);
  const late = ours();
  const grown = Math.max(...late.map((now, at) => now - early[at]));
  console.log(`memory of each hub and each \`register\`: at most ${grown.toFixed(1)} MiB more after ten times the calls`);
  assert.ok(grown < 16, `${early} MiB became ${late} MiB`);

  const health = await hubs[0].healthUntil('each is reported', (found) => names.every((name) => found[name].program?.processes?.length === 1));
  const pids = names.map((name) => {
    assert.equal(health[name].program.starts, 1, `${name} was started once`);
    return health[name].program.processes[0].pid;
  });
  const own = registered.map(({ child }) => resident(child.pid));
  console.log(`one process each: ${pids.join(', ')}; \`register\` has ${Math.max(...own).toFixed(1)} MiB at most`);

  // What five agents would have of these servers, with a hub each, and each with its own.
  const family = (pid) => {
    const stats = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    const parents = stats.flatMap((name) => {
      try {
        return [[Number(name), Number(readFileSync(`/proc/${name}/stat`, 'utf8').replace(/.*\) /s, '').split(' ')[1])]];
      } catch {
        return [];
      }
    });
    const found = [pid];
    for (const member of found) found.push(...parents.filter(([, parent]) => parent === member).map(([child]) => child));
    return found.reduce((sum, member) => sum + resident(member), 0);
  };
  const once = pids.reduce((sum, pid) => sum + family(pid), 0);
  const sharing = registered.reduce((sum, { child }) => sum + resident(child.pid), 0);
  const hub = resident(hubs[0].child.pid);
  console.log(
    `resident: the servers once ${once.toFixed(0)} MiB, each of ${registered.length} \`register\` ${(sharing / registered.length).toFixed(1)} MiB, ` +
      `a hub ${hub.toFixed(1)} MiB; five agents: ${(once + sharing + 5 * hub).toFixed(0)} MiB shared, ${(5 * once).toFixed(0)} MiB if each had its own`,
  );

  // The server, in calls of all hubs.
  const victim = 'everything';
  const slow = hubs.map((hub) => hub.start(victim));
  await Promise.all(slow.map(({ running }) => running));
  process.kill(health[victim].program.processes[0].pid, 'SIGKILL');
  for (const answer of await Promise.all(slow.map((call) => call.answer))) {
    assert.match(text(answer), /ended before it answered \(ended by signal 9\)/, JSON.stringify(answer));
    assert.deepEqual(answer.result._meta['brummer-hub/failure'], { reason: 'ended', sent: 'yes' });
  }
  assert.match(text(await hubs[0].call(`${victim}__echo`, { message: 'again' })), /again/);
  console.log('server killed in a call: each call fails in words, the next one has a new process');

  // A hub, in a call.
  const second = await hubs[0].healthUntil('the new process is reported', (found) => found[victim].program.starts === 2);
  const lost = hubs[2].start(victim);
  lost.answer.catch(() => {}); // Nobody answers any more.
  await lost.running;
  hubs[2].child.kill('SIGKILL');
  await hubs[2].ended;
  assert.match(text(await hubs[1].call(`${victim}__echo`, { message: 'still' })), /still/);
  const third = (await hubs[1].health())[victim].program;
  assert.deepEqual([third.starts, third.processes[0].pid], [2, second[victim].program.processes[0].pid]);
  console.log('hub killed in a call: the others go on with the same process');

  // `register`, which nothing of the server outlives.
  const { [victim]: last } = await hubs[0].health();
  const supervisor = registered.find(({ name }) => name === victim);
  supervisor.child.kill('SIGKILL');
  await gone(last.program.processes[0].pid);
  await hubs[0].healthUntil('it is not listed', (found) => found[victim] === undefined);
  console.log('register killed: the server ends, and leaves the list');

  for (const { child } of registered) child.kill('SIGTERM');
  for (const { name, ended } of registered) await within(ended, `the end of ${name}`);
  for (const pid of pids) await gone(pid);
  for (const hub of hubs.slice(0, 2)) hub.child.stdin.end();
  for (const hub of hubs) await within(hub.ended, `the end of ${hub.name}`);
  console.log('told to end: nothing is left');
} finally {
  for (const { child } of registered) child.kill('SIGKILL');
  for (const { child } of hubs) child.kill('SIGKILL');
  rmSync(work, { recursive: true, force: true });
}
process.exit(0);
