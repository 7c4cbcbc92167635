//! `install`, `tools`, `call`, `wait`, `register` and `list` as a person or a script uses them.

mod announce;
mod completions;
mod config;
mod doctor;
mod install;
mod instances;
mod list;
mod share;
mod watch;
mod wrap;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStderr, ChildStdin, Command},
};

use crate::support::{Home, HubOptions, expect};

/// A running `brummer-hub` that is no hub on stdio.
#[derive(Debug)]
struct Cli {
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: Lines<BufReader<ChildStderr>>,
    said: Vec<String>,
}

/// How it ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `brummer-hub` with these arguments, which sees only its test's own directory.
fn command(home: &Home, arguments: &[&str]) -> Command {
    command_of(Path::new(env!("CARGO_BIN_EXE_brummer-hub")), home, arguments)
}

/// The same for a copy of it.
fn command_of(program: &Path, home: &Home, arguments: &[&str]) -> Command {
    // The environment is that of the tests' hubs.
    let mut command = Command::new(program);
    for (key, value) in HubOptions::default().command(home).as_std().get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    // Where these are set, what is printed has colours, or none.
    for variable in ["CI", "CLICOLOR", "CLICOLOR_FORCE", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command.args(arguments).arg("--data-dir").arg(home.data()).current_dir(home.project("here"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    // Out of the foreground of whatever terminal the tests run in, whose Ctrl-C would reach both processes.
    command.process_group(0);
    command
}

impl Cli {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { stdin: child.stdin.take(), child, stderr, said: Vec::new() }
    }

    /// Waits until it says a line with this in it on stderr.
    async fn says(&mut self, wanted: &str) -> String {
        expect(&format!("a line with {wanted:?}"), async {
            while let Some(line) = self.stderr.next_line().await.unwrap() {
                self.said.push(line.clone());
                if line.contains(wanted) {
                    return line;
                }
            }
            panic!("it ended before; it said {:?}", self.said);
        })
        .await
    }

    async fn write(&mut self, text: &str) {
        self.stdin.as_mut().expect("stdin is open").write_all(text.as_bytes()).await.unwrap();
    }

    #[cfg(unix)]
    fn signal(&self, signal: rustix::process::Signal) {
        crate::support::signal(self.child.id().expect("it runs"), signal);
    }

    /// Waits for its end.
    async fn end(mut self) -> Ended {
        let mut stdout = self.child.stdout.take().unwrap();
        let said = async {
            while let Some(line) = self.stderr.next_line().await.unwrap() {
                self.said.push(line);
            }
            self.said
        };
        let everything = async { tokio::join!(text(&mut stdout), said, self.child.wait()) };
        let (stdout, said, status) = expect("the command ends", everything).await;
        Ended { code: status.unwrap().code(), stdout, stderr: said.join("\n") }
    }
}

async fn text(from: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).await.unwrap();
    text
}

/// Runs it to its end.
pub(crate) async fn run(home: &Home, arguments: &[&str]) -> Ended {
    Cli::start(command(home, arguments)).end().await
}

/// A port on which nothing listened a moment ago.
async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// The doorbell files that are there.
fn doorbells(home: &Home) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.data().join("instances")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The only doorbell file there is.
fn only_doorbell(home: &Home) -> Value {
    let files = doorbells(home);
    assert_eq!(files.len(), 1, "{files:?}");
    serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap()
}

/// Reads what a command printed, and checks it against its schema in `docs/output.schema.json`.
pub(crate) fn checked(of: &str, printed: &str) -> Value {
    let value: Value = serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/output.schema.json");
    let mut schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    schema["$ref"] = format!("#/$defs/{of}").into();
    let errors = |schema: &Value, value: &Value| -> Vec<String> {
        let validator = jsonschema::validator_for(schema).unwrap();
        validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect()
    };
    assert_eq!(errors(&schema, &value), Vec::<String>::new(), "{of}: {printed}");
    // An entry that lacks what the schema demands is refused: a schema that takes anything proves nothing.
    assert!(!errors(&schema, &Value::Null).is_empty(), "{of}");
    value
}
