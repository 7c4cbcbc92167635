//! The shared cases, through the C interface: a program in C does what it reads.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::OnceCell,
};

use crate::{
    build::{Linkage, Program, compile, compilers},
    support::{
        expect, repository,
        runner::{self, Action, Outcome, Surface, World},
    },
};

/// The running driver.
struct Driver {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

async fn driver() -> &'static Program {
    static DRIVER: OnceCell<Program> = OnceCell::const_new();
    let source = repository().join("tests/c/driver.c");
    DRIVER.get_or_init(async || compile(compilers()[0], &source, Linkage::Shared, &["-std=c99"]).await).await
}

/// A JSON text of an action: as it is given, else made from the value.
fn json(value: Option<&serde_json::Value>, text: Option<&String>) -> String {
    text.cloned().or_else(|| value.map(ToString::to_string)).unwrap_or_else(|| "-".to_owned())
}

fn number(milliseconds: Option<u32>) -> String {
    milliseconds.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn line(world: &World, action: &Action) -> String {
    match action {
        Action::List => "list".to_owned(),
        Action::Call { instance, tool, arguments, arguments_text, timeout_ms } => {
            let instance = instance.as_deref().unwrap_or("-");
            let arguments = json(arguments.as_ref(), arguments_text.as_ref());
            format!("call\t{instance}\t{tool}\t{arguments}\t{}", number(*timeout_ms))
        }
        Action::Request { method, params, params_text, timeout_ms } => {
            let params = json(params.as_ref(), params_text.as_ref());
            format!("request\t{method}\t{params}\t{}", number(*timeout_ms))
        }
        Action::Connect { instance } => format!("connect\t{instance}"),
        Action::Disconnect => "disconnect".to_owned(),
        Action::Register { server } => {
            let (port, pid) = (world.port(server), std::process::id());
            format!("register\t{server}\t{port}\t{pid}\t{}", world.home.project(server).display())
        }
        Action::Unregister => "unregister".to_owned(),
    }
}

impl Surface for Driver {
    const NAME: &'static str = "c";

    async fn start(world: &World) -> Self {
        let mut command = Command::new(&driver().await.path);
        command.arg(world.home.data()).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output).lines() }
    }

    async fn perform(&mut self, world: &World, action: &Action) -> Outcome {
        let line = line(world, action) + "\n";
        self.input.write_all(line.as_bytes()).await.unwrap();
        let answer = expect("an answer of the driver", self.output.next_line()).await.unwrap().unwrap();
        let mut words = answer.splitn(3, '\t');
        let (status, code, text) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        if status == "OK" {
            let value =
                if text.is_empty() { serde_json::Value::Null } else { serde_json::from_str(text).unwrap() };
            return Outcome::Done(value);
        }
        Outcome::Failed { status: status.to_owned(), code: code.parse().unwrap(), message: text.to_owned() }
    }

    async fn end(self) {
        let Self { mut child, input, .. } = self;
        drop(input);
        assert!(expect("the end of the driver", child.wait()).await.unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shared_cases_hold_for_the_c_interface() {
    runner::run::<Driver>().await;
}
