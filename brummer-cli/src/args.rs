//! What can be asked for on the command line. Parsing looks at nothing but the arguments; [`Command`] is the result,
//! checked as far as that goes.

mod duration;
mod texts;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    net::IpAddr,
    num::NonZeroU16,
    path::PathBuf,
    time::Duration,
};

use brummer_hub::{
    HubConfig,
    discovery::Directories,
    labels::LabelSelector,
    session::{ClientDefaults, SessionConfig, ToolsMode},
    sources::SourceChoice,
    stdio_instance::Sharing,
};
use clap::{
    ArgGroup, Args, ColorChoice, CommandFactory, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};
use clap_complete::{Shell, engine::ArgValueCandidates};
use clap_verbosity_flag::{Verbosity, WarnLevel};

use self::duration::parse_duration;
use crate::{
    complete,
    config::ConfigRequest,
    doctor::DoctorRequest,
    env, install,
    instances::{
        call::CallRequest,
        logs::LogsRequest,
        scripts::{Action, ScriptsRequest},
        wait::{Until, WaitRequest},
    },
    logging::{LogLevel, LogOptions},
};

/// Bytes in the unit of `--max-message-size` and `--max-buffered`.
const MEBIBYTE: usize = 1024 * 1024;

/// How long `register -- COMMAND` waits for the port: a dev server that compiles first takes most of a minute.
pub(crate) const COMMAND_WAIT: Duration = Duration::from_secs(60);

/// What makes this program a guard of `run` or `register`.
pub(crate) const GUARD: &str = "guard";

/// What makes this program the supervisor of a declared server.
pub(crate) const SUPERVISE: &str = "supervise";

/// The command line, as clap reads it.
#[derive(Debug, Parser)]
#[command(
    name = "brummer-hub",
    version,
    about = texts::ABOUT,
    long_about = texts::LONG_ABOUT,
    after_help = texts::MORE,
    after_long_help = texts::EXAMPLES,
    arg_required_else_help = true,
    override_usage = texts::USAGE
)]
struct Cli {
    /// Serve MCP on standard input and output: what an MCP client starts; `mcp` is the same
    #[arg(long)]
    mcp: bool,
    #[command(flatten)]
    hub: HubArgs,
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Option<CliCommand>,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    #[command(about = texts::INSTALL, long_about = texts::LONG_INSTALL, after_help = texts::MORE_INSTALL,
        after_long_help = texts::EXAMPLES_INSTALL)]
    Install(InstallArgs),
    #[command(about = texts::UNINSTALL, long_about = texts::LONG_UNINSTALL, after_help = texts::MORE_UNINSTALL,
        after_long_help = texts::EXAMPLES_UNINSTALL)]
    Uninstall(UninstallArgs),
    #[command(about = texts::REGISTER, long_about = texts::LONG_REGISTER, after_help = texts::MORE_REGISTER,
        after_long_help = texts::EXAMPLES_REGISTER, override_usage = texts::USAGE_REGISTER)]
    Register(RegisterArgs),
    #[command(about = texts::RUN, long_about = texts::LONG_RUN, after_help = texts::MORE_RUN,
        after_long_help = texts::EXAMPLES_RUN, override_usage = texts::USAGE_RUN)]
    Run(RunArgs),
    #[command(about = texts::LIST, long_about = texts::LONG_LIST, after_help = texts::MORE_LIST,
        after_long_help = texts::EXAMPLES_LIST)]
    List(ListArgs),
    #[command(about = texts::WATCH, long_about = texts::LONG_WATCH, after_help = texts::MORE_WATCH,
        after_long_help = texts::EXAMPLES_WATCH)]
    Watch {
        /// Print each event as a line of JSON
        #[arg(long)]
        json: bool,
    },
    #[command(about = texts::TOOLS, after_help = texts::EXAMPLES_TOOLS)]
    Tools(ToolsArgs),
    #[command(about = texts::CALL, long_about = texts::LONG_CALL, after_help = texts::MORE_CALL,
        after_long_help = texts::EXAMPLES_CALL)]
    Call(CallArgs),
    #[command(about = texts::LOGS, after_help = texts::EXAMPLES_LOGS)]
    Logs(LogsArgs),
    #[command(about = texts::STOP, after_help = texts::EXAMPLES_STOP)]
    Stop(ScriptsArgs),
    #[command(about = texts::RESTART, after_help = texts::EXAMPLES_RESTART)]
    Restart(ScriptsArgs),
    #[command(about = texts::WAIT, after_help = texts::EXAMPLES_WAIT)]
    Wait(WaitArgs),
    #[command(about = texts::DOCTOR, long_about = texts::LONG_DOCTOR, after_help = texts::MORE_DOCTOR,
        after_long_help = texts::EXAMPLES_DOCTOR)]
    Doctor {
        /// Repair what can be repaired
        #[arg(long)]
        fix: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    #[command(about = texts::CONFIG, long_about = texts::LONG_CONFIG, after_help = texts::MORE_CONFIG,
        after_long_help = texts::EXAMPLES_CONFIG)]
    Config(ConfigArgs),
    #[command(about = texts::COMPLETIONS, after_help = texts::EXAMPLES_COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man {
        /// Write the pages of all commands into this directory instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Stand between `run` and one of its scripts, or `register` and its command; only they start this
    #[command(name = GUARD, hide = true)]
    Guard(GuardArgs),
    /// Serve a stdio server that a configuration file declares, for all hubs; only they start this
    #[command(name = SUPERVISE, hide = true)]
    Supervise {
        /// What it is called, for those who list processes
        name: String,
    },
}

/// Options of `--mcp`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of --mcp")]
struct HubArgs {
    /// Which tools `tools/list` shows [default: connected, or what suits the client]
    ///
    /// `connected`: the hub's own and those of the connected instance, under their own names.
    /// `all`: the hub's own and those of every active instance, as `<alias>__<tool>`.
    /// `hub`: the hub's own only; `instances_call` reaches the others.
    #[arg(long, value_name = "MODE", requires = "mcp")]
    tools: Option<ToolsMode>,
    /// Client whose defaults are used: auto, none, codex, qwen, continue, cline, mcporter or cursor [default: auto]
    ///
    /// `auto` goes by the name that the client gives. What `--tools` and `--name-budget` say counts more.
    #[arg(long, value_name = "NAME", requires = "mcp")]
    client: Option<ClientDefaults>,
    /// Longest tool name in the mode `all`, in characters, from 32 to 128 [default: 46]
    ///
    /// Clients allow 64 and put a prefix of their own in front; longer names are cut and stay callable.
    #[arg(long, value_name = "N", requires = "mcp", value_parser = clap::value_parser!(u8).range(32..=128))]
    name_budget: Option<u8>,
    /// Do not connect the instance whose project holds the working directory
    #[arg(long, requires = "mcp")]
    no_auto_connect: bool,
    /// Time between two health checks of an instance [default: 5s]
    #[arg(long, value_name = "DURATION", requires = "mcp", value_parser = parse_duration)]
    ping_interval: Option<Duration>,
    /// How long a silent instance is retried before it is dropped [default: 1m]
    #[arg(long, value_name = "DURATION", requires = "mcp", value_parser = parse_duration)]
    give_up_after: Option<Duration>,
    /// How long a call may take that shows no progress [default: 1h]
    #[arg(long, value_name = "DURATION", requires = "mcp", value_parser = parse_duration)]
    call_timeout: Option<Duration>,
    /// Largest message taken from a client or an instance, in MiB [default: 64]
    #[arg(long, value_name = "MIB", requires = "mcp", value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_message_size: Option<u16>,
    /// Most that is held for a client that does not read, or an instance that does not, in MiB [default: 64]
    ///
    /// Beside this, one message may be in transit. When it is used up, the others wait.
    #[arg(long, value_name = "MIB", requires = "mcp", value_parser = clap::value_parser!(u16).range(1..=16384))]
    max_buffered: Option<u16>,
    /// How long an instance may take to open a conversation [default: 30s]
    #[arg(long, value_name = "DURATION", requires = "mcp", value_parser = parse_duration)]
    handshake_timeout: Option<Duration>,
}

/// Options of `tools`.
#[derive(Args, Debug)]
struct ToolsArgs {
    /// Instance, by id, alias, name or the beginning of one; `.` is that of the working directory [default: all, in short]
    #[arg(add = ArgValueCandidates::new(complete::instances))]
    instance: Option<String>,
    /// Print JSON, with the tools as the instances describe them
    #[arg(long)]
    json: bool,
}

/// Options of `call`.
#[derive(Args, Debug)]
struct CallArgs {
    /// Instance, by id, alias, name or the beginning of one; `.` is that of the working directory
    #[arg(add = ArgValueCandidates::new(complete::instances))]
    instance: String,
    /// Name of the tool
    #[arg(add = ArgValueCandidates::new(complete::tools))]
    tool: String,
    /// Arguments: KEY=VALUE with the types that the tool wants, KEY:=JSON, one JSON object, or `-` for JSON on standard input
    #[arg(value_name = "ARGS", add = ArgValueCandidates::new(complete::arguments))]
    arguments: Vec<String>,
    /// Print the result as JSON, as the instance sent it
    #[arg(long)]
    json: bool,
    /// Directory for images, audio and other data in the result
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Give up after this time, and cancel the call [default: never]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// Options of `logs`.
#[derive(Args, Debug)]
struct LogsArgs {
    /// Instance of `run`, by id, alias, name or the beginning of one [default: that of the working directory, or the only one]
    #[arg(add = ArgValueCandidates::new(complete::instances))]
    instance: Option<String>,
    /// Go on with what is printed from now on, until Ctrl-C or the end of the script
    #[arg(long, short)]
    follow: bool,
    /// Number of entries that were printed before; a stack trace is one
    #[arg(long, short = 'n', value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(0..=1000))]
    lines: u32,
    /// Only this script, by name or by id such as `dev-1`
    #[arg(long, value_name = "SCRIPT")]
    script: Option<String>,
    /// Only entries of this level and above
    #[arg(long, value_name = "LEVEL", value_parser = ["debug", "info", "warn", "error", "critical"])]
    level: Option<String>,
    /// Print each entry as a line of JSON
    #[arg(long)]
    json: bool,
}

/// Options of `stop` and `restart`.
#[derive(Args, Debug)]
struct ScriptsArgs {
    /// Instance, by id, alias, name or the beginning of one; `.` is that of the working directory
    #[arg(add = ArgValueCandidates::new(complete::instances))]
    instance: String,
    /// Scripts of an instance of `run`, by name or by id such as `dev-1`
    #[arg(value_name = "SCRIPT")]
    scripts: Vec<String>,
}

/// Options of `wait`.
#[derive(Args, Debug)]
struct WaitArgs {
    /// Instance, by id, alias or name; `.` is that of the working directory
    #[arg(add = ArgValueCandidates::new(complete::instances))]
    instance: String,
    /// Wait until it is gone instead
    #[arg(long, group = "until")]
    gone: bool,
    /// Wait also until this URL answers (an instance of `run`)
    #[arg(long, value_name = "URL", group = "until")]
    url: Option<String>,
    /// Wait also until a script has printed this text (an instance of `run`)
    #[arg(long, value_name = "TEXT", group = "until")]
    log: Option<String>,
    /// Wait also until something listens on this port (an instance of `run`)
    #[arg(long, value_name = "PORT", group = "until")]
    port: Option<NonZeroU16>,
    /// Give up after this time
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    timeout: Duration,
}

/// Options of everything.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options everywhere")]
struct GlobalArgs {
    /// Use only this directory for doorbell files, instead of the user's [env: BRUMMER_DATA_DIR]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Other tools whose servers are found: all, none, or names of sources separated by commas, such as next,portless,ports
    /// [default: all; only run with a data directory of its own]
    #[arg(long, value_name = "LIST", global = true, help_heading = "Discovery")]
    sources: Option<SourceChoice>,
    /// Only instances with this label: label=NAME or label=NAME=VALUE
    #[arg(long, value_name = "label=NAME", global = true, value_parser = parse_only, help_heading = "Discovery")]
    only: Option<LabelSelector>,
    /// How much is logged [default: warn; error for commands that answer and end]
    #[arg(long, value_name = "LEVEL", global = true, value_enum)]
    log_level: Option<LogLevel>,
    #[command(flatten)]
    verbosity: Verbosity<WarnLevel>,
    /// When there are colours
    ///
    /// `auto`: where a terminal shows them. A variable may say otherwise, the first of these that is set and not empty: NO_COLOR (none),
    /// CLICOLOR_FORCE (everywhere; not if it is 0), CLICOLOR (none if it is 0, else on every terminal).
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto, global = true)]
    color: ColorChoice,
    /// Log to this file instead of standard error
    #[arg(long, value_name = "FILE", global = true)]
    log_file: Option<PathBuf>,
}

/// Options of `register`.
#[derive(Args, Clone, Debug)]
struct RegisterArgs {
    /// Port of the MCP server on this machine; with --stdio the port to serve on [default: any]
    #[arg(long, short, value_name = "PORT", required_unless_present = "stdio")]
    port: Option<NonZeroU16>,
    /// Share the command, an MCP server that speaks over stdio, with all clients
    #[arg(long, requires = "command", conflicts_with_all = ["host", "endpoint", "pid", "token_env", "token_file", "header_env", "wait"])]
    stdio: bool,
    /// One process of it for all clients; the default
    #[arg(long, requires = "stdio", conflicts_with = "per_session")]
    shared: bool,
    /// One process of it for each session of a client
    #[arg(long, requires = "stdio")]
    per_session: bool,
    /// How long its process is kept that nobody needs; `never`: until the end [default: 10m]
    #[arg(long, value_name = "DURATION", requires = "stdio", value_parser = parse_idle)]
    idle: Option<Idle>,
    /// What people call it [default: `name` of package.json, else the directory's name; with --stdio the command's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Directory of its project [default: the working directory]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Loopback address that the server listens on, such as 127.0.0.2 or ::1 [default: any]
    #[arg(long, value_name = "ADDRESS", value_parser = parse_loopback)]
    host: Option<IpAddr>,
    /// Where on the server MCP is spoken [default: /mcp]
    #[arg(long, value_name = "PATH")]
    endpoint: Option<String>,
    /// Id of the instance [default: a random UUID]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Process to follow, which is the server's or started it [default: whoever listens on the port]
    #[arg(long, value_name = "PID", conflicts_with = "command")]
    pid: Option<std::num::NonZeroU32>,
    /// Environment variable that holds the server's token; hubs send it as `Authorization: Bearer`
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    token_env: Option<String>,
    /// File that holds the server's token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Header field that hubs send to the server, and the environment variable that holds its value; may be repeated
    #[arg(long, value_name = "HEADER=NAME", value_parser = parse_header)]
    header_env: Vec<(String, String)>,
    /// Label, for people and for `--only`; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_label)]
    label: Vec<(String, String)>,
    /// How long to wait until the port listens [default: not at all; 1m with a command]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    wait: Option<Duration>,
    /// Command that starts the server
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Options of `run`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("started").args(["scripts", "command"]).multiple(true)))]
struct RunArgs {
    /// Scripts of package.json to start at once, WORKSPACE#SCRIPT for that of a workspace; or commands of other files, such
    /// as make:build
    #[arg(value_name = "SCRIPT")]
    scripts: Vec<String>,
    /// Directory of the project
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Port to serve MCP on, 0 for any [default: 7777 if it is free, else any]
    #[arg(long, short, value_name = "PORT")]
    port: Option<u16>,
    /// What people call it [default: `name` of package.json, else the directory's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Command to run, besides scripts
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// Let clients set this environment variable for scripts, besides harmless ones such as PORT; `*` at the end stands for any
    /// rest. May be given several times
    #[arg(long, value_name = "NAME")]
    allow_env: Vec<String>,
    /// Let in every program of every user of this machine, without a token
    #[arg(long)]
    no_token: bool,
    /// Give scripts a terminal instead of pipes: colours, animations that are folded into what they leave, and keys
    #[arg(long)]
    pty: bool,
    /// Write the log of each script into a file in this directory, too; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// Do not announce the MCP servers that dev servers (Next.js, Storybook and others) have themselves
    #[arg(long)]
    no_dev_mcp: bool,
    /// End when the scripts have ended, with the exit code of the first that did not succeed. No line is left out of what is piped:
    /// scripts wait for whoever reads. Lines over 16 KiB are cut
    #[arg(long, requires = "started")]
    exit: bool,
    /// There is no other way to run; for those who are used to `brum --no-tui`
    #[arg(long, hide = true)]
    no_tui: bool,
}

/// What a guard is to start.
#[derive(Args, Debug)]
struct GuardArgs {
    /// It has the standard input and the terminal of whoever starts it
    #[arg(long)]
    attached: bool,
    /// Its standard streams are a terminal of its own
    #[arg(long, conflicts_with = "attached")]
    terminal: bool,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Options of `config`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
struct ConfigArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<ConfigCommand>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Let hubs start what the file of a project declares, as it is now
    Trust {
        /// Directory of the project, or one below it
        #[arg(value_name = "DIR", default_value = ".")]
        directory: PathBuf,
    },
    /// Take that back
    Untrust {
        /// Directory of the project, or one below it
        #[arg(value_name = "DIR", default_value = ".")]
        directory: PathBuf,
    },
}

/// Options of `list`.
#[derive(Args, Debug)]
struct ListArgs {
    /// Print JSON, as the tool `instances_list` answers it
    #[arg(long)]
    json: bool,
}

/// Options of `install`.
#[derive(Args, Debug)]
struct InstallArgs {
    /// Clients to configure, found or not [default: all that are found]
    #[arg(value_name = "CLIENT", add = ArgValueCandidates::new(complete::clients))]
    clients: Vec<String>,
    /// Show what would be changed, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Show all clients that are known, which are found and which are configured
    #[arg(long, conflicts_with = "dry_run")]
    list: bool,
    /// Print the list as JSON
    #[arg(long, requires = "list")]
    json: bool,
}

/// Options of `uninstall`.
#[derive(Args, Debug)]
struct UninstallArgs {
    /// Clients to take the hub out of [default: all that have it]
    #[arg(value_name = "CLIENT", add = ArgValueCandidates::new(complete::clients))]
    clients: Vec<String>,
    /// Show what would be changed, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// What was asked for, and how to log meanwhile.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) command: Command,
    pub(crate) logs: LogOptions,
    pub(crate) color: ColorChoice,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Be the hub of the client on standard input and output.
    Mcp { hub: HubConfig, session: SessionConfig },
    /// Announce a server that runs.
    Announce { announcement: Announcement, pid: Option<u32>, wait: Option<Duration> },
    /// Start a server and announce it.
    Wrap { announcement: Announcement, program: OsString, arguments: Vec<OsString>, wait: Duration },
    /// Share a server that speaks over stdio.
    Share(Share),
    /// Run the scripts of a project.
    Run(Project),
    /// Stand between `run` and a script, or `register` and its command.
    Guard { terminal: GuardedTerminal, program: OsString, arguments: Vec<OsString> },
    /// Serve a declared server.
    Supervise,
    /// Show the instances.
    List { hub: HubConfig, json: bool },
    /// Show the instances as they come and go.
    Watch { hub: HubConfig, json: bool },
    /// Change the configurations of MCP clients.
    Install(install::Request),
    /// Show what instances offer.
    Tools { hub: HubConfig, instance: Option<String>, json: bool },
    /// Call a tool of an instance.
    Call { hub: HubConfig, request: CallRequest },
    /// Show what scripts have printed.
    Logs { hub: HubConfig, request: LogsRequest },
    /// Stop or restart scripts, or end an instance.
    Scripts { hub: HubConfig, request: ScriptsRequest },
    /// Wait for an instance.
    Wait { hub: HubConfig, request: WaitRequest },
    /// Look for what is wrong.
    Doctor { hub: HubConfig, request: DoctorRequest },
    /// Show the files of what should be there, or agree to one.
    Config { directories: Directories, request: ConfigRequest },
    /// Print the completions of a shell.
    Completions(Shell),
    /// Print the manual page, or write all into a directory.
    Man(Option<PathBuf>),
}

impl Command {
    /// The hub that it starts, if it starts one, and whether that is there to use instances rather than to look at them.
    pub(crate) fn hub_mut(&mut self) -> Option<(&mut HubConfig, bool)> {
        match self {
            Self::Mcp { hub, .. }
            | Self::Tools { hub, .. }
            | Self::Call { hub, .. }
            | Self::Wait { hub, .. } => Some((hub, true)),
            Self::List { hub, .. }
            | Self::Watch { hub, .. }
            | Self::Logs { hub, .. }
            | Self::Scripts { hub, .. }
            | Self::Doctor { hub, .. } => Some((hub, false)),
            _ => None,
        }
    }

    /// Whether it answers one question and ends: what a hub would warn of beside that, nobody has asked for.
    pub(crate) fn is_brief(&self) -> bool {
        matches!(
            self,
            Self::List { .. }
                | Self::Tools { .. }
                | Self::Call { .. }
                | Self::Logs { .. }
                | Self::Scripts { .. }
                | Self::Wait { .. }
                | Self::Doctor { .. }
                | Self::Install(_)
                | Self::Config { .. }
        )
    }
}

/// Which terminal a guarded command has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GuardedTerminal {
    None,
    /// One that was made for it.
    Own,
    /// That of whoever started the guard.
    Callers,
}

/// What `run` is to run, and how it is to be found.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) scripts: Vec<String>,
    pub(crate) command: Option<(OsString, Vec<OsString>)>,
    pub(crate) directory: PathBuf,
    pub(crate) port: Option<u16>,
    pub(crate) name: Option<String>,
    /// What clients may set in the environment of scripts.
    pub(crate) allow_env: Vec<String>,
    /// Whether scripts have a terminal.
    pub(crate) pty: bool,
    /// Where to write the logs, too.
    pub(crate) log_dir: Option<PathBuf>,
    /// Whether MCP servers of dev servers are announced.
    pub(crate) dev_mcp: bool,
    /// Whether it ends with its scripts.
    pub(crate) exit: bool,
    /// Whether clients must show the token.
    pub(crate) token: bool,
    pub(crate) directories: Directories,
}

/// What `register` says of an instance in either form.
#[derive(Clone, Debug)]
pub(crate) struct Announcement {
    pub(crate) port: u16,
    pub(crate) host: Option<IpAddr>,
    pub(crate) name: Option<String>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) endpoint: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) token: Option<TokenSource>,
    /// Header fields, each with the environment variable that holds its value.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) directories: Directories,
}

/// What `register --stdio` shares.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) sharing: Sharing,
    pub(crate) idle: Option<Idle>,
    pub(crate) port: Option<u16>,
    pub(crate) name: Option<String>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) id: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) directories: Directories,
}

/// How long a process is kept that nobody needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Idle {
    After(Duration),
    Never,
}

/// A duration, or `never`.
pub(crate) fn parse_idle(text: &str) -> Result<Idle, String> {
    if text == "never" { Ok(Idle::Never) } else { parse_duration(text).map(Idle::After) }
}

/// Where a token is. Never on the command line, which every user of the machine can read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TokenSource {
    /// In this environment variable.
    Variable(String),
    /// In this file.
    File(PathBuf),
}

/// Reads the arguments, the program's name first.
///
/// # Errors
///
/// What clap answers: also the help and version texts, which are no errors and go to standard output.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let arguments = with_mcp(with_run(arguments.into_iter().collect()));
    let parsed = Cli::try_parse_from(&arguments);
    let Cli { mcp, hub, global, command } = parsed.map_err(|error| with_hint(error, &arguments))?;
    // A guard is given to another program's environment, and looks for nothing.
    let directories = || {
        let found = global.data_dir.as_ref().map_or_else(Directories::try_from_env, Directories::written);
        found.map_err(|error| usage(ErrorKind::ValueValidation, &error.to_string()))
    };
    let hub_config = || {
        let mut config = HubConfig::default();
        config.directories = directories()?;
        config.sources.choice = global.sources.clone().unwrap_or_default();
        config.sources.projects = std::env::current_dir().into_iter().collect();
        config.only.clone_from(&global.only);
        Ok::<_, clap::Error>(config)
    };
    let command = match (mcp, command) {
        (true, None) => hub.into_command(hub_config()?),
        (false, Some(CliCommand::Register(register))) => register.into_command(directories()?),
        (false, Some(CliCommand::List(list))) => Command::List { hub: hub_config()?, json: list.json },
        (false, Some(CliCommand::Install(install))) => {
            Command::Install(install.into_request(global.data_dir))
        }
        (false, Some(CliCommand::Uninstall(UninstallArgs { clients, dry_run }))) => {
            let task = install::Task::Uninstall;
            Command::Install(install::Request { task, clients, dry_run, data_dir: None })
        }
        (false, Some(CliCommand::Watch { json })) => Command::Watch { hub: hub_config()?, json },
        (false, Some(CliCommand::Tools(ToolsArgs { instance, json }))) => {
            Command::Tools { hub: hub_config()?, instance, json }
        }
        (false, Some(CliCommand::Call(call))) => {
            let CallArgs { instance, tool, arguments, json, out, timeout } = call;
            let request = CallRequest { instance, tool, arguments, json, out, timeout };
            Command::Call { hub: hub_config()?, request }
        }
        (false, Some(CliCommand::Logs(logs))) => {
            let LogsArgs { instance, follow, lines, script, level, json } = logs;
            let request = LogsRequest { instance, follow, lines, script, level, json };
            Command::Logs { hub: hub_config()?, request }
        }
        (false, Some(CliCommand::Stop(scripts))) => scripts.into_command(Action::Stop, hub_config()?),
        (false, Some(CliCommand::Restart(scripts))) => scripts.into_command(Action::Restart, hub_config()?),
        (false, Some(CliCommand::Wait(wait))) => wait.into_command(hub_config()?),
        (false, Some(CliCommand::Doctor { fix, json })) => {
            let hub = hub_config()?;
            Command::Doctor {
                hub,
                request: DoctorRequest { fix, json, data_dir: told_directory(global.data_dir) },
            }
        }
        (false, Some(CliCommand::Config(ConfigArgs { json, command }))) => {
            let request = match command {
                None => ConfigRequest::Show { json },
                Some(ConfigCommand::Trust { directory }) => ConfigRequest::Trust(directory),
                Some(ConfigCommand::Untrust { directory }) => ConfigRequest::Untrust(directory),
            };
            Command::Config { directories: directories()?, request }
        }
        (false, Some(CliCommand::Completions { shell })) => Command::Completions(shell),
        (false, Some(CliCommand::Man { out })) => Command::Man(out),
        (false, Some(CliCommand::Run(run))) => run.into_command(directories()?),
        (false, Some(CliCommand::Guard(GuardArgs { attached, terminal, command }))) => {
            let mut words = command.into_iter();
            // clap has seen to it that there is one.
            let program = words.next().unwrap_or_default();
            let terminal = match (attached, terminal) {
                (true, _) => GuardedTerminal::Callers,
                (false, true) => GuardedTerminal::Own,
                (false, false) => GuardedTerminal::None,
            };
            Command::Guard { terminal, program, arguments: words.collect() }
        }
        (false, Some(CliCommand::Supervise { name: _ })) => Command::Supervise,
        (true, Some(_)) => {
            return Err(usage(ErrorKind::ArgumentConflict, "`--mcp` cannot be combined with a subcommand"));
        }
        (false, None) => {
            return Err(usage(
                ErrorKind::MissingSubcommand,
                "a command is missing, such as `install`, `run`, `list` or `--mcp`; `--help` shows all",
            ));
        }
    };
    let is_asked_for = global.verbosity.is_present() || global.log_file.is_some();
    let level = global.log_level.unwrap_or_else(|| {
        if command.is_brief() && !is_asked_for {
            LogLevel::Error
        } else {
            global.verbosity.tracing_level_filter().into()
        }
    });
    let logs = LogOptions { level, file: global.log_file };
    Ok(Invocation { command, logs, color: global.color })
}

/// Says beside clap's error what is meant where a word belongs elsewhere, or is missing.
fn with_hint(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let own = arguments.get(1..).unwrap_or_default();
    let Some(command) = subcommand(own).and_then(OsStr::to_str) else { return error };
    let word = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(word))) if !word.starts_with('-') => {
            word.as_str()
        }
        (ErrorKind::MissingRequiredArgument, _) => "",
        _ => return error,
    };
    let words = own.iter().filter_map(|argument| argument.to_str()).skip_while(|it| *it != command).skip(1);
    let given = words.take_while(|it| *it != word).find(|it| !it.starts_with('-'));
    let instance = given.unwrap_or("INSTANCE");
    let hint = match (command, word) {
        ("call", "") => format!(
            "an INSTANCE comes first, then a TOOL: `brummer-hub call . {}`; `brummer-hub tools` shows both",
            given.unwrap_or("TOOL")
        ),
        ("stop" | "restart" | "wait", "") => {
            format!("name an INSTANCE; `brummer-hub {command} .` means that of the working directory")
        }
        ("logs", script) if !script.is_empty() => {
            format!(
                "it takes one INSTANCE; one script's log is `brummer-hub logs {instance} --script {script}`"
            )
        }
        ("tools", tool) if !tool.is_empty() => format!(
            "it takes one INSTANCE, and shows all tools of it; `brummer-hub call {instance} {tool}` calls one"
        ),
        ("list" | "watch", instance) if !instance.is_empty() => {
            format!("it shows all instances; `brummer-hub tools {instance}` shows what one offers")
        }
        ("wait", _) => {
            format!("it takes one INSTANCE; `brummer-hub wait {instance} --log TEXT` waits for a text")
        }
        _ => return error,
    };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

/// An address of this machine's own: hubs connect to no other.
fn parse_loopback(text: &str) -> Result<IpAddr, String> {
    let address =
        text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse::<IpAddr>();
    address.map(|address| address.to_canonical()).ok().filter(IpAddr::is_loopback).ok_or_else(|| {
        "give a loopback address, 127.0.0.1 to 127.255.255.254 or ::1; hubs connect to no other".to_owned()
    })
}

/// `label=NAME` or `label=NAME=VALUE`.
fn parse_only(text: &str) -> Result<LabelSelector, String> {
    let label = text.strip_prefix("label=").ok_or("write label=NAME or label=NAME=VALUE")?;
    label.parse()
}

/// `NAME=VALUE`, or `NAME` for one that is only there or not.
fn parse_label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    let (name, value) = (name.trim(), value.trim());
    let is_plain = |text: &str| !text.is_empty() && text.len() <= 256 && !text.contains(char::is_control);
    if is_plain(name) && is_plain(value) {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err("write NAME=VALUE, each of 1 to 256 bytes".to_owned())
    }
}

/// `HEADER=NAME`.
fn parse_header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((header, variable)) if !header.is_empty() && !variable.is_empty() => {
            Ok((header.to_owned(), variable.to_owned()))
        }
        _ => Err("write HEADER=NAME, NAME being the environment variable that holds the value".to_owned()),
    }
}

/// The documents' `--no-tui` is another word for `run`: `brummer-hub --no-tui dev` is `brummer-hub run dev`.
fn with_run(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let own = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    let Some(flag) = arguments[..own].iter().position(|argument| argument == "--no-tui") else {
        return arguments;
    };
    if subcommand(&arguments[1..own]).is_none_or(|word| word != "run") {
        arguments.remove(flag);
        arguments.insert(1, OsString::from("run"));
    }
    arguments
}

/// `mcp` is another word for `--mcp`.
fn with_mcp(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let own = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    if subcommand(arguments.get(1..own).unwrap_or_default()).is_some_and(|word| word == "mcp")
        && let Some(word) = arguments[1..own].iter_mut().find(|argument| *argument == "mcp")
    {
        *word = OsString::from("--mcp");
    }
    arguments
}

/// Whether these arguments, without a program's name before them, ask for the hub.
pub(crate) fn ask_for_hub(arguments: &[&str]) -> bool {
    let words = std::iter::once(&"brummer-hub").chain(arguments).map(OsString::from).collect();
    Cli::try_parse_from(with_mcp(words)).is_ok_and(|cli| cli.mcp && cli.command.is_none())
}

/// The options in these arguments, each with its value, if they ask for the hub.
pub(crate) fn hub_options(arguments: &[String]) -> Option<Vec<Vec<String>>> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if !ask_for_hub(&words) {
        return None;
    }
    let mut options: Vec<Vec<String>> = Vec::new();
    for word in arguments {
        match options.last_mut() {
            Some(option) if !word.starts_with('-') && word != "mcp" => option.push(word.clone()),
            _ => options.push(vec![word.clone()]),
        }
    }
    Some(options)
}

/// Whether these arguments ask for something else that this program does, right or wrong as they may be.
pub(crate) fn ask_for_another(arguments: &[&str]) -> bool {
    let words: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let named = subcommand(&words).and_then(OsStr::to_str);
    let is_another = |name: &str| Cli::command().find_subcommand(name).is_some();
    !ask_for_hub(arguments) && (named.is_some_and(is_another) || arguments.contains(&"--no-tui"))
}

/// The command line's definition, for what is made from it: without what is only for this program itself.
pub(crate) fn definition() -> clap::Command {
    let whole = Cli::command();
    clap::Command::new("brummer-hub")
        .version(env!("CARGO_PKG_VERSION"))
        .about(texts::ABOUT)
        .long_about(texts::LONG_ABOUT)
        .after_long_help(texts::EXAMPLES)
        .override_usage(texts::USAGE)
        .args(whole.get_arguments())
        .subcommands(whole.get_subcommands().filter(|command| !command.is_hide_set()))
}

/// The first word that is no option, nor the value of one that goes before a subcommand.
fn subcommand(arguments: &[OsString]) -> Option<&OsStr> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        if ["--data-dir", "--log-level", "--log-file", "--color"].contains(&text) {
            arguments.next();
        } else if !text.starts_with('-') {
            return Some(argument);
        }
    }
    None
}

/// The directory of doorbell files that clients tell their hubs, which start without the variables of this shell.
fn told_directory(data_dir: Option<PathBuf>) -> Option<PathBuf> {
    let data_dir = data_dir.or_else(|| env::get(env::DATA_DIR).map(PathBuf::from))?;
    Some(std::path::absolute(&data_dir).unwrap_or(data_dir))
}

fn usage(kind: ErrorKind, message: &str) -> clap::Error {
    Cli::command().error(kind, message)
}

impl HubArgs {
    fn into_command(self, mut hub: HubConfig) -> Command {
        if let Some(interval) = self.ping_interval {
            hub.health.ping_interval = interval;
        }
        if let Some(time) = self.give_up_after {
            hub.health.give_up_after = time;
        }
        if let Some(time) = self.call_timeout {
            hub.limits.call_timeout = time;
        }
        if let Some(mebibytes) = self.max_message_size {
            hub.limits.max_message_bytes = usize::from(mebibytes) * MEBIBYTE;
        }
        if let Some(mebibytes) = self.max_buffered {
            hub.limits.max_buffered = usize::from(mebibytes) * MEBIBYTE;
        }
        if let Some(time) = self.handshake_timeout {
            hub.limits.initialize_timeout = time;
        }
        let mut session = SessionConfig::default();
        session.tools = self.tools;
        session.name_budget = self.name_budget.map(usize::from);
        session.client = self.client.unwrap_or(ClientDefaults::ByName);
        session.auto_connect = !self.no_auto_connect;
        session.working_directory = std::env::current_dir().ok();
        Command::Mcp { hub, session }
    }
}

impl InstallArgs {
    fn into_request(self, data_dir: Option<PathBuf>) -> install::Request {
        let task = if self.list { install::Task::List { json: self.json } } else { install::Task::Install };
        let data_dir = told_directory(data_dir);
        install::Request { task, clients: self.clients, dry_run: self.dry_run, data_dir }
    }
}

impl ScriptsArgs {
    fn into_command(self, action: Action, hub: HubConfig) -> Command {
        let request = ScriptsRequest { action, instance: self.instance, scripts: self.scripts };
        Command::Scripts { hub, request }
    }
}

impl WaitArgs {
    fn into_command(self, hub: HubConfig) -> Command {
        let until = match (self.gone, self.url, self.log, self.port) {
            (true, ..) => Until::Gone,
            (_, Some(url), ..) => Until::Condition("url", url.into()),
            (_, _, Some(text), _) => Until::Condition("log", text.into()),
            (.., Some(port)) => Until::Condition("port", port.get().into()),
            _ => Until::Active,
        };
        let request = WaitRequest { instance: self.instance, until, limit: self.timeout };
        Command::Wait { hub, request }
    }
}

impl RunArgs {
    fn into_command(self, directories: Directories) -> Command {
        let Self {
            scripts,
            dir,
            port,
            name,
            command,
            allow_env,
            no_token,
            pty,
            log_dir,
            no_dev_mcp,
            exit,
            no_tui: _,
        } = self;
        let token = !no_token;
        let mut words = command.into_iter();
        let command = words.next().map(|program| (program, words.collect()));
        Command::Run(Project {
            command,
            scripts,
            directory: dir,
            port,
            name,
            allow_env,
            pty,
            log_dir,
            dev_mcp: !no_dev_mcp,
            exit,
            token,
            directories,
        })
    }
}

impl RegisterArgs {
    fn into_share(self, directories: Directories) -> Command {
        let mut words = self.command.into_iter();
        Command::Share(Share {
            // clap has seen to it that there is one.
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
            sharing: if self.per_session { Sharing::PerSession } else { Sharing::Shared },
            idle: self.idle,
            port: self.port.map(Into::into),
            name: self.name,
            path: self.path,
            id: self.id,
            labels: self.label.into_iter().collect(),
            directories,
        })
    }

    fn into_command(self, directories: Directories) -> Command {
        let Some(port) = self.port.filter(|_| !self.stdio) else { return self.into_share(directories) };
        let announcement = Announcement {
            port: port.get(),
            host: self.host,
            name: self.name,
            path: self.path,
            endpoint: self.endpoint.map(|path| if path.starts_with('/') { path } else { format!("/{path}") }),
            id: self.id,
            token: self.token_env.map(TokenSource::Variable).or(self.token_file.map(TokenSource::File)),
            headers: self.header_env,
            labels: self.label.into_iter().collect(),
            directories,
        };
        let mut words = self.command.into_iter();
        match words.next() {
            None => Command::Announce { announcement, pid: self.pid.map(Into::into), wait: self.wait },
            Some(program) => Command::Wrap {
                announcement,
                program,
                arguments: words.collect(),
                wait: self.wait.unwrap_or(COMMAND_WAIT),
            },
        }
    }
}

#[cfg(test)]
mod tests;
