//! The texts of `--help`, in one place so that they read as one.

pub(super) const ABOUT: &str = "One MCP server for every dev process on this machine";

pub(super) const LONG_ABOUT: &str = "\
One MCP server for every dev process on this machine.

An MCP client is configured once, with `brummer-hub --mcp`. The hub finds every instance that has announced itself, \
keeps a live connection to each, and gives the client their tools, resources and prompts.";

pub(super) const USAGE: &str = "\
brummer-hub <COMMAND> [OPTIONS]
       brummer-hub --mcp [OPTIONS]";

pub(super) const MORE: &str = "`brummer-hub --help` shows examples and exit codes.";

pub(super) const EXAMPLES: &str = r#"Examples:
  Configure every MCP client on this machine, for all projects:
    brummer-hub install

  The same by hand, in the configuration of a client:
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
  3    `call` and others: the tool answered with an error
  124  `call`, `stop`, `wait`: the time was up
  129, 130, 143
       SIGHUP, SIGINT or SIGTERM ended it before it was done; --mcp, and run without --exit,
       end at a first signal with 0, and at a second with this
  `register -- COMMAND` ends with the code of the command, or 128 + n if signal n ended that,
  and `run --exit` with that of the first script that did not succeed."#;

pub(super) const CONFIG: &str = "Show what the configuration files say, or trust that of a project";

pub(super) const LONG_CONFIG: &str = "\
Show what the configuration files say, or trust that of a project.

Your own file is `brummer/config.toml` in your configuration directory (~/.config on Linux; with a data directory of its own, \
`config.toml` in that). A project has `.brummer.toml`. They declare MCP servers that hubs start or look for, names and \
labels of instances, which tools are shown, and which sources are read. Every value is shown with the file and line that it \
comes from; what is wrong is named with its line, and costs nothing else.

The file of a project starts nothing before you agree to it with `trust`. A change of the file asks again.";

pub(super) const MORE_CONFIG: &str = "`brummer-hub config --help` shows examples and exit codes.";

pub(super) const EXAMPLES_CONFIG: &str = "\
Examples:
  What counts in the working directory:
    brummer-hub config

  Let hubs start what the project declares:
    brummer-hub config trust ~/shop

Exit codes:
  0  done
  1  something in a file is wrong, or a file could not be written
  2  wrong arguments, or the project has no file";

pub(super) const RUN: &str = "Run scripts of a project, and give clients tools for them and their output";

pub(super) const LONG_RUN: &str = "\
Run scripts of a project, and give clients tools for them and their output.

It reads package.json and other files that declare commands (Procfile, .claude/launch.json, Makefile, justfile, mise.toml, \
deno.json, composer.json, pyproject.toml, Cargo.toml, go.mod, compose.yaml), starts the scripts that are named, shows what they print, and serves MCP: clients start, stop and \
restart scripts, search and follow their output, wait until a server is ready, and list errors and URLs. Every hub finds \
it. It runs until it is stopped, and takes all processes that the scripts have started with it, however it ends.

Whoever wants to use it must know its token: hubs of this user read it from the announcement, and it is printed at the \
start for clients that connect without a hub.

`brummer-hub --no-tui` is the same.";

pub(super) const USAGE_RUN: &str = "\
brummer-hub run [SCRIPT]... [OPTIONS] [-- <COMMAND>...]
       brummer-hub --no-tui [SCRIPT]... [OPTIONS] [-- <COMMAND>...]";

pub(super) const MORE_RUN: &str = "`brummer-hub run --help` shows examples and exit codes.";

pub(super) const EXAMPLES_RUN: &str = "\
Examples:
  Run two scripts of the project in the working directory:
    brummer-hub run dev test:watch

  Start nothing, and let clients decide:
    brummer-hub run --dir ~/shop --name shop

  The script of a package in a monorepo:
    brummer-hub run 'web#dev'

  A target of a Makefile, and any other command:
    brummer-hub run make:serve
    brummer-hub run -- python -m http.server 8000

  Run the tests while agents can read what they print, and end with their exit code:
    brummer-hub run --exit test

  Stop everything in order: Ctrl-C. At once: Ctrl-C again.

Exit codes:
  0    a signal asked it to end, and everything has ended
  1    it could not begin; standard error says why
  2    wrong arguments
  129, 130, 143
       a second SIGHUP, SIGINT or SIGTERM ended everything at once
  What becomes of a script does not end it without --exit: the tools tell.
  With --exit it ends with 0 if all scripts succeeded, or else with the code of the first that did not, and a first SIGHUP, \
SIGINT or SIGTERM, after which everything is stopped in order, gives 129, 130 or 143.";

pub(super) const REGISTER: &str =
    "Announce an MCP server to every hub: one that runs, one that it starts, or one on stdio";

pub(super) const LONG_REGISTER: &str = "\
Announce an MCP server to every hub: one that runs, one that it starts, or one on stdio.

Without a command it announces the server that listens on the port, and takes the announcement back when that process \
ends or when it is stopped (Ctrl-C).

With a command it starts the command, waits until the port listens, and announces it. Signals are passed on to the \
command and all that it has started, and it ends when the command does, with its exit code. What the command leaves \
running ends too, also when `register` itself is killed.

With --stdio the command is an MCP server that speaks over standard input and output. One process of it serves all hubs and \
clients; it is started when somebody needs it, ended when nobody has for a while (--idle), and started anew after a crash. \
What ran in a crash fails with an error and is not run again. Servers that ask their client for its roots, or ask it while others' \
calls run, need --per-session: a process for each session.";

pub(super) const USAGE_REGISTER: &str = "\
brummer-hub register --port <PORT> [OPTIONS]
       brummer-hub register --port <PORT> [OPTIONS] -- <COMMAND>...
       brummer-hub register --stdio [OPTIONS] -- <COMMAND>...";

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
    brummer-hub register --port 3000 --endpoint /_next/mcp -- npm run dev

  A server that listens on 127.0.0.2 only:
    brummer-hub register --port 3001 --host 127.0.0.2

  A server that wants a token, which is in the variable SHOP_TOKEN:
    brummer-hub register --port 3001 --token-env SHOP_TOKEN

  One process of a stdio server for all clients:
    brummer-hub register --stdio -- npx -y @modelcontextprotocol/server-memory

  One for each session, since it works in the client's own directories:
    brummer-hub register --stdio --per-session -- npx -y @modelcontextprotocol/server-filesystem .

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
at the latest. Below it are the dev servers that other tools have recorded. `***` in a URL stands for a secret; the terminal of \
`run` shows the URL whole, as the script has printed it.";

pub(super) const MORE_LIST: &str = "`brummer-hub list --help` shows examples and exit codes.";

pub(super) const EXAMPLES_LIST: &str = "\
Examples:
  brummer-hub list
  brummer-hub list --json | jq -r '.instances[].path'

Exit codes:
  0    done, also when there is no instance
  1    it could not be done; standard error says why
  2    wrong arguments";

pub(super) const INSTALL: &str = "Add the hub to the configurations of your MCP clients, for all projects";

pub(super) const LONG_INSTALL: &str = "\
Add the hub to the configurations of your MCP clients, for all projects.

Every client that is found on this machine is configured, or those that are named. Comments, order and everything else \
in their files stay, and what was there before is kept beside each file that is changed. A file that does not parse is \
not touched: what to add to it is printed instead.

The clients start this program by its full path, with the options that each of them needs. Options that you have given the hub \
in an entry stay, and so does a release that it names (`brummer-hub@0.1`). If BRUMMER_DATA_DIR is set or --data-dir is given, their \
hubs use that directory too.";

pub(super) const MORE_INSTALL: &str = "`brummer-hub install --help` shows examples and exit codes.";

pub(super) const EXAMPLES_INSTALL: &str = "\
Examples:
  Configure every client that is found:
    brummer-hub install

  See first what would be changed:
    brummer-hub install --dry-run

  Two clients only, found or not:
    brummer-hub install claude-code cursor

  Which clients there are, and which are configured:
    brummer-hub install --list

Exit codes:
  0    all are configured, or were already
  1    a client could not be configured, or none was found; the output says why
  2    wrong arguments";

pub(super) const UNINSTALL: &str = "Take the hub out of the configurations of your MCP clients";

pub(super) const LONG_UNINSTALL: &str = "\
Take the hub out of the configurations of your MCP clients.

A file that was not changed since `install` becomes what it was before, byte for byte; from any other, only the entry \
of the hub is removed: your comments stay, and where one stands within the entry, the file as it was is kept beside it. A server \
of the same name that starts something else stays.";

pub(super) const MORE_UNINSTALL: &str = "`brummer-hub uninstall --help` shows examples and exit codes.";

pub(super) const EXAMPLES_UNINSTALL: &str = "\
Examples:
  brummer-hub uninstall
  brummer-hub uninstall cursor --dry-run

Exit codes:
  0    done, also when no client was configured
  1    a file could not be changed; the output says why
  2    wrong arguments";

pub(super) const TOOLS: &str = "Show the tools of instances and what they take";

pub(super) const EXAMPLES_TOOLS: &str = "\
Examples:
  brummer-hub tools           # all instances, a line for each tool
  brummer-hub tools shop      # one instance, with the arguments of each tool

Exit codes:
  0    done
  1    there is no such instance, or it does not answer; standard error says why
  2    wrong arguments";

pub(super) const CALL: &str = "Call a tool of an instance";

pub(super) const LONG_CALL: &str = "\
Call a tool of an instance.

Text in the result is printed, images, audio and other data are written into new files whose names are printed. What the \
tool asks meanwhile is put to you if standard input and standard error are a terminal.";

pub(super) const MORE_CALL: &str = "`brummer-hub call --help` shows examples and exit codes.";

pub(super) const EXAMPLES_CALL: &str = r#"Examples:
  brummer-hub call shop orders
  brummer-hub call . errors_list        # of `run` in the working directory
  brummer-hub call shop find query=lamp limit=5 tags=new tags=red
  brummer-hub call shop find '{"query": "lamp"}' --json
  jq -n '{query: "lamp"}' | brummer-hub call shop find -
  brummer-hub call . screenshot --out /tmp

Exit codes:
  0    the tool answered
  1    there is no such instance or tool, or it did not answer; standard error says why
  2    wrong arguments, also those of the tool
  3    the tool answered with an error, which is on standard error
  124  the time of --timeout was up; the call was cancelled
  130  Ctrl-C; the call was cancelled"#;

pub(super) const LOGS: &str = "Show what the scripts of `run` have printed";

pub(super) const EXAMPLES_LOGS: &str = "\
Examples:
  brummer-hub logs                      # of the project in the working directory
  brummer-hub logs shop -f --script dev
  brummer-hub logs --level error -n 20

Lines of standard error have `!` after the script's name, others `|`.

Exit codes:
  0    done
  1    there is no such instance, or it has no log; standard error says why
  2    wrong arguments
  3    the instance refused, such as for a script that it does not know
  130  Ctrl-C while following";

pub(super) const STOP: &str = "Stop scripts of `run`, or end an instance";

pub(super) const EXAMPLES_STOP: &str = "\
Examples:
  brummer-hub stop shop dev     # the script `dev`; `run` goes on
  brummer-hub stop shop         # the process of the instance, with all its scripts (not on Windows)

Exit codes:
  0    it has ended
  1    it could not be told to; standard error says why
  2    wrong arguments
  3    the instance refused, such as for a script that it does not know
  124  it is still there after ten seconds";

pub(super) const RESTART: &str = "Restart scripts of `run`";

pub(super) const EXAMPLES_RESTART: &str = "\
Examples:
  brummer-hub restart . dev     # one script of the project in the working directory
  brummer-hub restart shop      # all that are running

Exit codes:
  0    they are running anew
  1    it could not be done; standard error says why
  2    wrong arguments
  3    the instance refused, such as for a script that it does not know";

pub(super) const WAIT: &str = "Wait until an instance is ready, or gone";

pub(super) const EXAMPLES_WAIT: &str = "\
Examples:
  brummer-hub wait shop && npm test
  brummer-hub wait . --url http://localhost:5173/ --timeout 2m
  brummer-hub wait shop --gone

Exit codes:
  0    it is as wanted
  1    it could not be asked; standard error says why
  2    wrong arguments
  3    the instance refused, such as for a URL of another machine
  124  the time was up";

pub(super) const COMPLETIONS: &str = "Print the completions of a shell";

pub(super) const EXAMPLES_COMPLETIONS: &str = "\
The shell then offers commands and options, and what runs: instances, their tools, and what these take. It asks the \
brummer-hub in PATH.

Examples:
  bash:       brummer-hub completions bash > ~/.local/share/bash-completion/completions/brummer-hub
  zsh:        brummer-hub completions zsh > ~/.zfunc/_brummer-hub
  fish:       brummer-hub completions fish > ~/.config/fish/completions/brummer-hub.fish
  PowerShell: brummer-hub completions powershell >> $PROFILE";

pub(super) const DOCTOR: &str = "Find out why something does not work, and repair it";

pub(super) const LONG_DOCTOR: &str = "\
Find out why something does not work, and repair it.

It looks at the programs, the directories and files of announcements, each instance, and each client's configuration, and \
starts the hub as each configured client would. What it prints can be put into a bug report: it has no values of \
variables in it, and `~` for the home directory.";

pub(super) const MORE_DOCTOR: &str = "`brummer-hub doctor --help` shows examples and exit codes.";

pub(super) const EXAMPLES_DOCTOR: &str = "\
Examples:
  brummer-hub doctor
  brummer-hub doctor --fix

--fix takes the right of others to write from the directories, removes announcements that no hub can read, and configures \
clients anew whose hub does not start or looks elsewhere. An entry of your own that works is right.

Exit codes:
  0    no problem is left
  1    there are problems
  2    wrong arguments";

pub(super) const WATCH: &str = "Show the instances as they come and go";

pub(super) const LONG_WATCH: &str = "\
Show the instances as they come and go, until Ctrl-C.

On a terminal it is a table that is kept up to date, with what happens below it. Elsewhere it is a line for each instance \
that is there, and then a line for each thing that happens.";

pub(super) const MORE_WATCH: &str = "`brummer-hub watch --help` shows examples and exit codes.";

pub(super) const EXAMPLES_WATCH: &str = "\
Examples:
  brummer-hub watch
  brummer-hub watch --json | jq -r 'select(.event == \"gone\") | .instance.alias'

Exit codes:
  0    a signal ended it, or nobody reads what it prints
  1    it could not be done; standard error says why
  2    wrong arguments";
