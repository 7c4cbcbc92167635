//! `register --stdio -- COMMAND`: a server that speaks over stdio, as one instance for all hubs, until a signal comes.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::Arc,
};

use brummer_hub::{
    InstanceServer, StdioInstance,
    discovery::Directories,
    doorbell::InstanceId,
    stdio_instance::{ProgramReport, Sharing, StdioOptions},
};
use brummer_run::piped::PipedCommand;
use sha2::{Digest as _, Sha256};

use super::absolute;
use crate::{
    args::{self, Idle, Share},
    exit::{ExitStatus, Failure},
    output,
    signals::Signals,
};

/// What starts other programs: the name of a server is that of what they start.
const RUNNERS: [&str; 16] = [
    "npx", "bunx", "pnpx", "pnpm", "yarn", "npm", "bun", "node", "deno", "tsx", "uvx", "uv", "pipx",
    "python", "python3", "docker",
];

/// Words of theirs in front of what they start.
const VERBS: [&str; 7] = ["run", "dlx", "exec", "tool", "x", "create", "start"];

/// Serves the command until a signal comes, which ends it in order. A second one ends it at once.
pub(crate) async fn share(share: Share) -> Result<ExitStatus, Failure> {
    let usage = |text: String| Failure::new(text).with_status(ExitStatus::Usage);
    if let Some(path) = share.path.as_ref().filter(|path| !path.is_dir()) {
        return Err(usage(format!("there is no directory {}", path.display())));
    }
    let mut signals = Signals::listen()?;
    let name = share.name.clone().unwrap_or_else(|| name_of(&share.program, &share.arguments));
    let mut options = StdioOptions::new(&name);
    options.sharing = share.sharing;
    let directory = absolute(share.path.as_deref().unwrap_or_else(|| Path::new(".")));
    let words = std::iter::once(&share.program).chain(&share.arguments).map(OsString::as_os_str);
    options.inventory = Some(inventory_file(&share.directories, &directory, share.sharing, words));
    match share.idle {
        None => {}
        Some(Idle::Never) => options.idle = None,
        Some(Idle::After(idle)) => options.idle = Some(idle),
    }
    let directory = share.path.as_deref().map(absolute);
    let command = PipedCommand {
        program: share.program,
        arguments: share.arguments,
        directory: directory.clone(),
        environment: Vec::new(),
        guard: vec![OsString::from(args::GUARD)],
    };
    let mut labels = BTreeMap::from([("transport".to_owned(), "stdio".to_owned())]);
    labels.extend(share.labels);
    let mut announced = InstanceServer::builder()
        .name(&name)
        .port(share.port.unwrap_or_default())
        .labels(labels)
        .directories(share.directories);
    if let Some(path) = directory {
        announced = announced.path(path);
    }
    if let Some(id) = &share.id {
        let id = InstanceId::parse(id).map_err(|why| usage(format!("`{id}` is no id: {why}")))?;
        announced = announced.id(id);
    }
    let instance = StdioInstance::start(command, options, announced).await?;
    output::note(format_args!(
        "sharing `{name}` on port {} (id {}); it is started when it is needed",
        instance.server().port(),
        instance.server().id()
    ));
    let mut reports = instance.report();
    let mut told = Arc::<ProgramReport>::default();
    loop {
        tokio::select! {
            biased;
            _ = signals.next() => break,
            changed = reports.changed() => if changed.is_ok() {
                let now = Arc::clone(&reports.borrow_and_update());
                tell(&told, &now);
                told = now;
            } else {
                break;
            },
        }
    }
    tokio::select! {
        biased;
        () = instance.shutdown() => Ok(ExitStatus::Success),
        // All of it ends with this process.
        signal = signals.next() => Ok(ExitStatus::Signalled(signal)),
    }
}

/// Says what a person at the terminal would want to know.
fn tell(before: &ProgramReport, now: &ProgramReport) {
    let was_there = |pid: u32| before.processes.iter().any(|process| process.pid == Some(pid));
    for pid in now.processes.iter().filter_map(|process| process.pid).filter(|pid| !was_there(*pid)) {
        output::note(format_args!("started, process {pid}"));
    }
    let has_ended = now.processes.len() < before.processes.len() || now.last_end != before.last_end;
    if let Some(how) = now.last_end.as_ref().filter(|_| has_ended) {
        let lines = now.stderr.len().saturating_sub(5);
        let last = now.stderr[lines..].join("\n  ");
        let said = if last.is_empty() || how == "exit code 0" {
            String::new()
        } else {
            format!("; it said last:\n  {last}")
        };
        output::note(format_args!("ended: {how}{said}"));
    }
}

/// What people would call a server that is started so.
fn name_of(program: &OsStr, arguments: &[OsString]) -> String {
    let stem = |text: &OsStr| {
        let name = Path::new(text).file_stem().unwrap_or(text).to_string_lossy().into_owned();
        name.split('@').next().filter(|name| !name.is_empty()).unwrap_or("server").to_owned()
    };
    let runner = stem(program);
    if !RUNNERS.contains(&runner.as_str()) {
        return runner;
    }
    let mut started = arguments.iter().filter(|argument| {
        let text = argument.to_string_lossy();
        !text.starts_with('-') && !VERBS.contains(&&*text)
    });
    // A version is no extension: `server-memory@2025.11.25`.
    let is_script = |text: &str| text.contains(std::path::is_separator) && !text.starts_with('@');
    started.next().map_or(runner, |argument| {
        let text = argument.to_string_lossy();
        if is_script(&text) || Path::new(&*text).extension().is_some() && !text.contains('@') {
            return stem(argument);
        }
        let name = text.rsplit('/').next().unwrap_or(&text);
        name.split('@').next().filter(|name| !name.is_empty()).unwrap_or("server").to_owned()
    })
}

/// Where it is kept what the server offers: another command has another file.
pub(crate) fn inventory_file<'a>(
    directories: &Directories,
    directory: &'a Path,
    sharing: Sharing,
    command: impl IntoIterator<Item = &'a OsStr>,
) -> PathBuf {
    let mut hash = Sha256::new();
    let mut command = command.into_iter();
    let program = command.next().unwrap_or_default();
    for word in [program, directory.as_os_str()].into_iter().chain(command) {
        hash.update(word.as_encoded_bytes());
        hash.update([0]);
    }
    hash.update([u8::from(sharing != Sharing::Shared)]);
    let hex: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    directories.data.join("inventory").join(format!("{hex}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_called_as_people_call_them() {
        let name = |words: &str| {
            let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            name_of(&words[0], &words[1..])
        };
        for (words, expected) in [
            ("npx -y @modelcontextprotocol/server-memory", "server-memory"),
            ("npx -y @playwright/mcp@latest", "mcp"),
            ("npx chrome-devtools-mcp@1.2.3 --isolated", "chrome-devtools-mcp"),
            ("uvx mcp-server-git --repository .", "mcp-server-git"),
            ("uv run server.py", "server"),
            ("python -m mcp_server_time", "mcp_server_time"),
            ("node ./dist/index.js", "index"),
            ("/usr/local/bin/my-server --x", "my-server"),
            ("npx", "npx"),
        ] {
            assert_eq!(name(words), expected, "{words}");
        }
    }
}
