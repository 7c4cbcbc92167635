//! The texts of `--help`, in one place so that they read as one.

pub(super) const ABOUT: &str = "One MCP server for every dev process on this machine";

pub(super) const LONG_ABOUT: &str = "\
One MCP server for every dev process on this machine.

An MCP client is configured once, with `brummer-hub --mcp`. The hub finds every instance that has announced itself, \
keeps a live connection to each, and gives the client their tools, resources and prompts.";

pub(super) const USAGE: &str = "\
brummer-hub --mcp [OPTIONS]
       brummer-hub run [SCRIPT]... [OPTIONS]
       brummer-hub register --port <PORT> [OPTIONS] [-- <COMMAND>...]
       brummer-hub list [--json]";

pub(super) const MORE: &str = "`brummer-hub --help` shows examples and exit codes.";

pub(super) const EXAMPLES: &str = r#"Examples:
  In the configuration of an MCP client:
    { "mcpServers": { "brummer-hub": { "command": "brummer-hub", "args": ["--mcp"] } } }

  Run scripts of package.json, with tools for them and for what they print:
    brummer-hub run dev test

  Start an MCP server and announce it for as long as it runs:
    brummer-hub register --port 3001 -- npx -y @modelcontextprotocol/server-everything streamableHttp

  See what is there:
    brummer-hub list

Exit codes:
  0    done; for --mcp: the client went away, or a signal asked it to end
  1    it could not be done; standard error says why
  2    wrong arguments
  129, 130, 143
       a second SIGHUP, SIGINT or SIGTERM ended --mcp or run before everything was closed
  `register -- COMMAND` ends with the code of the command, or 128 + n if signal n ended that."#;

pub(super) const RUN: &str = "Run scripts of a project, and give clients tools for them and their output";

pub(super) const LONG_RUN: &str = "\
Run scripts of a project, and give clients tools for them and their output.

It reads package.json, starts the scripts that are named, shows what they print, and serves MCP: clients start, stop and \
restart scripts, search and follow their output, wait until a server is ready, and list errors and URLs. Every hub finds \
it. It stays until it is told to end, and takes all processes that the scripts have started with it, however it ends.

Whoever wants to use it must know its token: hubs of this user read it from the announcement, and it is printed at the \
start for clients that connect without a hub.

`brummer-hub --no-tui` is the same.";

pub(super) const USAGE_RUN: &str = "\
brummer-hub run [SCRIPT]... [OPTIONS]
       brummer-hub --no-tui [SCRIPT]... [OPTIONS]";

pub(super) const MORE_RUN: &str = "`brummer-hub run --help` shows examples and exit codes.";

pub(super) const EXAMPLES_RUN: &str = "\
Examples:
  Run two scripts of the project in the working directory:
    brummer-hub run dev test:watch

  Start nothing, and let clients decide:
    brummer-hub run --dir ~/shop --name shop

  The script of a package in a monorepo:
    brummer-hub run 'web#dev'

  Stop everything in order: Ctrl-C. At once: Ctrl-C again.

Exit codes:
  0    a signal asked it to end, and everything has ended
  1    it could not begin; standard error says why
  2    wrong arguments
  129, 130, 143
       a second SIGHUP, SIGINT or SIGTERM ended everything at once
  What becomes of a script does not end it: the tools tell.";

pub(super) const REGISTER: &str = "Announce an MCP server to every hub: one that runs, or one that it starts";

pub(super) const LONG_REGISTER: &str = "\
Announce an MCP server to every hub: one that runs, or one that it starts.

Without a command it announces the server that listens on the port, and takes the announcement back when that process \
ends or when it is told to end itself (Ctrl-C).

With a command it starts the command, waits until the port listens, and announces it. Signals are passed on to the \
command and all that it has started, and it ends when the command does, with its exit code. What the command leaves \
running ends too, also when `register` itself is killed.";

pub(super) const USAGE_REGISTER: &str = "\
brummer-hub register --port <PORT> [OPTIONS]
       brummer-hub register --port <PORT> [OPTIONS] -- <COMMAND>...";

pub(super) const MORE_REGISTER: &str = "`brummer-hub register --help` shows examples and exit codes.";

pub(super) const EXAMPLES_REGISTER: &str = "\
Examples:
  Announce a server that listens on port 3001 already:
    brummer-hub register --port 3001 --name web

  The same, for a server that may take half a minute to start:
    brummer-hub register --port 3001 --wait 30s

  Start a server and announce it:
    brummer-hub register --port 3001 -- npx -y @modelcontextprotocol/server-everything streamableHttp

  An MCP endpoint that is not at /mcp:
    brummer-hub register --port 5173 --endpoint /__mcp/sse -- npm run dev

  A server that wants a token, which is in the variable SHOP_TOKEN:
    brummer-hub register --port 3001 --token-env SHOP_TOKEN

Exit codes:
  0    the announced process ended, or a signal asked to end
  1    it could not be announced; standard error says why
  2    wrong arguments
  With a command: the code of the command, 128 + n if signal n ended it, 127 if there is no such program, 126 if it \
cannot be run.";

pub(super) const LIST: &str = "Show the instances of this machine";

pub(super) const LONG_LIST: &str = "\
Show the instances of this machine.

Each is asked whether it answers, as a hub would do it; the list is printed when all have been tried, after a second \
at the latest.";

pub(super) const MORE_LIST: &str = "`brummer-hub list --help` shows examples and exit codes.";

pub(super) const EXAMPLES_LIST: &str = "\
Examples:
  brummer-hub list
  brummer-hub list --json | jq -r '.instances[].path'

Exit codes:
  0    done, also when there is no instance
  1    it could not be done; standard error says why
  2    wrong arguments";
