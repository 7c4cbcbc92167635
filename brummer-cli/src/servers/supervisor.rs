//! The supervisor: serves one server for all hubs until none has been there for its idle time.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io::Read as _,
    path::PathBuf,
    time::Duration,
};

use brummer_hub::{
    InstanceServer, StdioInstance,
    discovery::Directories,
    doorbell::InstanceId,
    stdio_instance::{Launch, Launching, NotLaunched, Sharing, StdioOptions},
};
use brummer_run::piped::PipedCommand;

use super::{lock::Lock, spec::Spec};
use crate::{
    args, clean,
    config::is_agreed,
    exit::{ExitStatus, Failure},
    output,
    register::inventory_file,
    signals::Signals,
};

/// The largest order. A command line has less.
const MAX_ORDER: u64 = 1024 * 1024;

/// How long the first client is waited for at least: the hub that has started this is on its way.
const FIRST: Duration = Duration::from_secs(10);

/// Serves what standard input says, and says on standard output once whether it does.
pub(crate) async fn supervise() -> Result<ExitStatus, Failure> {
    detach();
    match serve().await {
        Ok(served) => Ok(served),
        Err(failure) => {
            // Whoever has started it reads one line.
            output::data(&format!("{}\n", clean::line(&failure.to_string())))?;
            Err(failure)
        }
    }
}

async fn serve() -> Result<ExitStatus, Failure> {
    let mut order = Vec::new();
    std::io::stdin().take(MAX_ORDER).read_to_end(&mut order)?;
    let spec: Spec = serde_json::from_slice(&order).map_err(|error| {
        Failure::new(format!("only hubs start this: {error}"))
            .hint("declare the server in a configuration file: `brummer-hub config --help`")
            .with_status(ExitStatus::Usage)
    })?;
    let id = InstanceId::parse(&spec.id)?;
    let Some(_lock) = Lock::take(&super::lock_of(&spec.data, &id))? else {
        output::data("running\n")?;
        return Ok(ExitStatus::Success);
    };
    let mut signals = Signals::listen()?;
    let idle = spec.idle_ms.map(Duration::from_millis);
    let instance = start(id, &spec).await?;
    output::data("ready\n")?;
    let mut attended = instance.attended();
    let mut was_attended = false;
    loop {
        let is_attended = *attended.borrow_and_update();
        was_attended |= is_attended;
        let idling = async {
            match idle {
                Some(idle) if !is_attended => {
                    tokio::time::sleep(if was_attended { idle } else { idle.max(FIRST) }).await;
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = signals.next() => break,
            changed = attended.changed() => if changed.is_err() {
                break;
            },
            () = idling => break,
        }
    }
    tokio::select! {
        biased;
        () = instance.shutdown() => Ok(ExitStatus::Success),
        // All of it ends with this process.
        signal = signals.next() => Ok(ExitStatus::Signalled(signal)),
    }
}

async fn start(id: InstanceId, spec: &Spec) -> Result<StdioInstance, Failure> {
    let directories = Directories::only(&spec.data);
    let arguments: Vec<OsString> = spec.arguments.iter().map(OsString::from).collect();
    let mut options = StdioOptions::new(&spec.name);
    options.sharing = if spec.per_session { Sharing::PerSession } else { Sharing::Shared };
    options.idle = spec.idle_ms.map(Duration::from_millis);
    let program = spec.program.as_os_str();
    let words = std::iter::once(program).chain(arguments.iter().map(OsString::as_os_str));
    let words: Vec<&OsStr> = words.collect();
    options.inventory = Some(inventory_file(&directories, &spec.directory, options.sharing, words));
    let command = PipedCommand {
        program: program.to_owned(),
        arguments,
        directory: Some(spec.directory.clone()),
        environment: Vec::new(),
        guard: vec![OsString::from(args::GUARD)],
    };
    let agreed = Agreed {
        command,
        name: spec.name.clone(),
        file: spec.project_file.clone(),
        directories: directories.clone(),
    };
    let announced = InstanceServer::builder()
        .name(&spec.name)
        .id(id)
        .path(&spec.path)
        .labels(BTreeMap::from([("transport".to_owned(), "stdio".to_owned())]))
        .directories(directories);
    Ok(StdioInstance::start(agreed, options, announced).await?)
}

/// A command that is started only while it is agreed to: the consent may be taken back while this serves.
struct Agreed {
    command: PipedCommand,
    name: String,
    /// The project's file that declares it. None: the user's own, which needs no consent.
    file: Option<PathBuf>,
    directories: Directories,
}

impl Launch for Agreed {
    fn told(&self, line: String) -> String {
        self.command.told(line)
    }

    fn launch(&self) -> Launching {
        let Some(file) = self.file.clone() else { return self.command.launch() };
        let (command, name, directories) =
            (self.command.clone(), self.name.clone(), self.directories.clone());
        Box::pin(async move {
            let (program, words) = (command.program.clone(), command.arguments.clone());
            let looking = tokio::task::spawn_blocking(move || {
                let words: Vec<String> =
                    words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
                is_agreed(&directories, &file, (&name, &program, &words))
            });
            // It fails only when the runtime shuts down.
            if looking.await.unwrap_or(false) {
                return command.launch().await;
            }
            Err(NotLaunched::new(true, "its project declares it no more, or is not trusted any more"))
        })
    }
}

/// Leaves the session and the process group of the client that ends its hub: what it sends to them is not meant for this.
#[cfg(unix)]
fn detach() {
    // It fails only for one that leads a group already, which is as good.
    let _ = rustix::process::setsid();
}

#[cfg(windows)]
fn detach() {}
