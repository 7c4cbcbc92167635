//! What can be asked for on the command line. Parsing looks at nothing but the arguments; [`Command`] is the result,
//! checked as far as that goes.

mod duration;
mod texts;

use std::{
    ffi::{OsStr, OsString},
    num::NonZeroU16,
    path::PathBuf,
    time::Duration,
};

use brummer_hub::{
    HubConfig,
    discovery::Directories,
    session::{SessionConfig, ToolsMode},
};
use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};

use self::duration::parse_duration;
use crate::logging::{LogLevel, LogOptions};

/// Bytes in the unit of `--max-message-size` and `--max-buffered`.
const MEBIBYTE: usize = 1024 * 1024;

/// How long `register -- COMMAND` waits for the port: a dev server that compiles first takes most of a minute.
pub(crate) const COMMAND_WAIT: Duration = Duration::from_secs(60);

/// What makes this program a guard of `run` or `register`.
pub(crate) const GUARD: &str = "guard";

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
    override_usage = texts::USAGE,
    disable_help_subcommand = true
)]
struct Cli {
    /// Serve MCP on standard input and output: what an MCP client starts
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
    #[command(about = texts::REGISTER, long_about = texts::LONG_REGISTER, after_help = texts::MORE_REGISTER,
        after_long_help = texts::EXAMPLES_REGISTER, override_usage = texts::USAGE_REGISTER)]
    Register(RegisterArgs),
    #[command(about = texts::RUN, long_about = texts::LONG_RUN, after_help = texts::MORE_RUN,
        after_long_help = texts::EXAMPLES_RUN, override_usage = texts::USAGE_RUN)]
    Run(RunArgs),
    #[command(about = texts::LIST, long_about = texts::LONG_LIST, after_help = texts::MORE_LIST,
        after_long_help = texts::EXAMPLES_LIST)]
    List(ListArgs),
    /// Stand between `run` and one of its scripts, or `register` and its command; only they start this
    #[command(name = GUARD, hide = true)]
    Guard(GuardArgs),
}

/// Options of `--mcp`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of --mcp")]
struct HubArgs {
    /// Which tools `tools/list` shows
    ///
    /// `connected`: the hub's own and those of the connected instance, under their own names.
    /// `all`: the hub's own and those of every active instance, as `<alias>__<tool>`.
    /// `hub`: the hub's own only; `instances_call` reaches the others.
    #[arg(long, value_name = "MODE", requires = "mcp", default_value = "connected")]
    tools: ToolsMode,
    /// Longest tool name in the mode `all`, in characters [default: 46]
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

/// Options of everything.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options everywhere")]
struct GlobalArgs {
    /// Use only this directory for doorbell files, instead of the user's [env: BRUMMER_DATA_DIR]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// How much is logged
    #[arg(long, value_name = "LEVEL", global = true, default_value = "warn", value_enum)]
    log_level: LogLevel,
    /// Log to this file instead of standard error
    #[arg(long, value_name = "FILE", global = true)]
    log_file: Option<PathBuf>,
}

/// Options of `register`.
#[derive(Args, Clone, Debug)]
struct RegisterArgs {
    /// Port of the MCP server on this machine
    #[arg(long, short, value_name = "PORT")]
    port: NonZeroU16,
    /// What people call it [default: `name` of package.json, else the directory's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Directory of its project [default: the working directory]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
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
    /// How long to wait until the port listens [default: not at all; 1m with a command]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    wait: Option<Duration>,
    /// Command that starts the server
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Options of `run`.
#[derive(Args, Debug)]
struct RunArgs {
    /// Scripts of package.json to start at once; WORKSPACE#SCRIPT for that of a workspace
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
    /// Let clients set this environment variable for scripts, besides harmless ones such as PORT; `*` at the end stands for any
    /// rest. May be given several times
    #[arg(long, value_name = "NAME")]
    allow_env: Vec<String>,
    /// Let in every program of every user of this machine, without a token
    #[arg(long)]
    no_token: bool,
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
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Options of `list`.
#[derive(Args, Debug)]
struct ListArgs {
    /// Print JSON, as the tool `instances_list` answers it
    #[arg(long)]
    json: bool,
}

/// What was asked for, and how to log meanwhile.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) command: Command,
    pub(crate) logs: LogOptions,
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
    /// Run the scripts of a project.
    Run(Project),
    /// Stand between `run` and a script, or `register` and its command.
    Guard { is_attached: bool, program: OsString, arguments: Vec<OsString> },
    /// Show the instances.
    List { hub: HubConfig, json: bool },
}

/// What `run` is to run, and how it is to be found.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) scripts: Vec<String>,
    pub(crate) directory: PathBuf,
    pub(crate) port: Option<u16>,
    pub(crate) name: Option<String>,
    /// What clients may set in the environment of scripts.
    pub(crate) allow_env: Vec<String>,
    /// Whether clients must show the token.
    pub(crate) token: bool,
    pub(crate) directories: Directories,
}

/// What `register` says of an instance in either form.
#[derive(Clone, Debug)]
pub(crate) struct Announcement {
    pub(crate) port: u16,
    pub(crate) name: Option<String>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) endpoint: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) token: Option<TokenSource>,
    /// Header fields, each with the environment variable that holds its value.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) directories: Directories,
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
    let Cli { mcp, hub, global, command } = Cli::try_parse_from(with_run(arguments.into_iter().collect()))?;
    let logs = LogOptions { level: global.log_level, file: global.log_file };
    // A guard is given to another program's environment, and looks for nothing.
    let directories = || {
        let found = global.data_dir.as_ref().map_or_else(Directories::try_from_env, Directories::written);
        found.map_err(|error| usage(ErrorKind::ValueValidation, &error.to_string()))
    };
    let command = match (mcp, command) {
        (true, None) => hub.into_command(directories()?),
        (false, Some(CliCommand::Register(register))) => register.into_command(directories()?),
        (false, Some(CliCommand::List(list))) => {
            Command::List { hub: hub_config(directories()?), json: list.json }
        }
        (false, Some(CliCommand::Run(run))) => run.into_command(directories()?),
        (false, Some(CliCommand::Guard(GuardArgs { attached, command }))) => {
            let mut words = command.into_iter();
            // clap has seen to it that there is one.
            let program = words.next().unwrap_or_default();
            Command::Guard { is_attached: attached, program, arguments: words.collect() }
        }
        (true, Some(_)) => return Err(usage(ErrorKind::ArgumentConflict, "`--mcp` goes with no subcommand")),
        (false, None) => {
            return Err(usage(
                ErrorKind::MissingSubcommand,
                "say what to do: `--mcp`, `run`, `register` or `list`",
            ));
        }
    };
    Ok(Invocation { command, logs })
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

/// The first word that is no option, nor the value of one that goes before a subcommand.
fn subcommand(arguments: &[OsString]) -> Option<&OsStr> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        if ["--data-dir", "--log-level", "--log-file"].contains(&text) {
            arguments.next();
        } else if !text.starts_with('-') {
            return Some(argument);
        }
    }
    None
}

fn usage(kind: ErrorKind, message: &str) -> clap::Error {
    Cli::command().error(kind, message)
}

fn hub_config(directories: Directories) -> HubConfig {
    let mut config = HubConfig::default();
    config.directories = directories;
    config
}

impl HubArgs {
    fn into_command(self, directories: Directories) -> Command {
        let mut hub = hub_config(directories);
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
        session.auto_connect = !self.no_auto_connect;
        session.working_directory = std::env::current_dir().ok();
        if let Some(budget) = self.name_budget {
            session.name_budget = usize::from(budget);
        }
        Command::Mcp { hub, session }
    }
}

impl RunArgs {
    fn into_command(self, directories: Directories) -> Command {
        let Self { scripts, dir, port, name, allow_env, no_token, no_tui: _ } = self;
        let token = !no_token;
        Command::Run(Project { scripts, directory: dir, port, name, allow_env, token, directories })
    }
}

impl RegisterArgs {
    fn into_command(self, directories: Directories) -> Command {
        let announcement = Announcement {
            port: self.port.get(),
            name: self.name,
            path: self.path,
            endpoint: self.endpoint.map(|path| if path.starts_with('/') { path } else { format!("/{path}") }),
            id: self.id,
            token: self.token_env.map(TokenSource::Variable).or(self.token_file.map(TokenSource::File)),
            headers: self.header_env,
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
