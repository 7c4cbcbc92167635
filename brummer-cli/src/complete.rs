//! What a shell offers when Tab is pressed. The shell asks this program, which knows what runs: instances, their tools,
//! and what these take.

use std::{ffi::OsString, future::Future, time::Duration};

use brummer_hub::{
    Hub, HubConfig,
    client::{ClientConfig, Request},
    discovery::Directories,
};
use clap_complete::{CompleteEnv, Shell, engine::CompletionCandidate, env::Shells};
use serde_json::{Value, json};

use crate::{
    args, clean,
    config::Loaded,
    deep,
    exit::{ExitStatus, Failure},
    install,
    instances::schema::{Arguments, choice, kinds},
    output, run,
};

/// Tells this program that a shell asks.
const VARIABLE: &str = "_BRUMMER_HUB_COMPLETE";

/// Nobody waits longer for a completion.
const PATIENCE: Duration = Duration::from_secs(2);

/// Options whose value is the next word.
const VALUED: [&str; 9] = [
    "--data-dir",
    "--log-level",
    "--log-file",
    "--color",
    "--out",
    "--timeout",
    "--script",
    "--level",
    "--lines",
];

/// Answers a shell, if it is one that asks.
pub(crate) fn answer(arguments: &[OsString]) -> Option<ExitStatus> {
    std::env::var_os(VARIABLE)?;
    let asked = CompleteEnv::with_factory(args::definition).var(VARIABLE).bin("brummer-hub");
    match asked.try_complete(arguments.iter().cloned(), std::env::current_dir().ok().as_deref()) {
        Ok(true) => Some(ExitStatus::Success),
        Ok(false) => None,
        Err(error) => {
            output::note(error.to_string().trim_end());
            Some(ExitStatus::Failure)
        }
    }
}

/// Prints what makes a shell ask.
pub(crate) fn script(shell: Shell) -> Result<ExitStatus, Failure> {
    let name = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells
        .completer(&name)
        .ok_or_else(|| Failure::new(format!("there are no completions for {name}")))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "brummer_hub", "brummer-hub", "brummer-hub", &mut script)?;
    output::data(&String::from_utf8_lossy(&script))?;
    Ok(ExitStatus::Success)
}

/// The clients that `install` knows.
pub(crate) fn clients() -> Vec<CompletionCandidate> {
    install::known().map(|(id, name)| candidate(id, Some(name))).collect()
}

/// The instances that run.
pub(crate) fn instances() -> Vec<CompletionCandidate> {
    let words = words();
    let found = within(async {
        let hub = hub(&words);
        let snapshot = hub.settled().await;
        hub.shutdown().await;
        snapshot.instances.iter().map(|it| (it.alias.to_string(), it.found.doorbell.name.clone())).collect()
    });
    let found: Vec<(String, String)> = found.unwrap_or_default();
    let here = candidate(".", Some("the instance of the working directory"));
    std::iter::once(here).chain(found.iter().map(|(alias, name)| candidate(alias, Some(name)))).collect()
}

/// The tools of the instance that was typed.
pub(crate) fn tools() -> Vec<CompletionCandidate> {
    let tools = described();
    let tools = tools.iter().filter_map(|tool| Some((tool["name"].as_str()?, tool["description"].as_str())));
    tools.map(|(name, about)| candidate(name, about)).collect()
}

/// The arguments of the tool that was typed: `KEY=`, and `KEY=VALUE` where there are few values.
pub(crate) fn arguments() -> Vec<CompletionCandidate> {
    let typed = positional(&words());
    let Some(wanted) = typed.get(1) else { return Vec::new() };
    let tools = described();
    let Some(tool) = tools.iter().find(|tool| tool["name"] == wanted.as_str()) else { return Vec::new() };
    offered(&tool["inputSchema"])
}

/// The same, by what the schema says.
pub(crate) fn offered(schema: &Value) -> Vec<CompletionCandidate> {
    let named = Arguments::of(schema).named;
    let of_one = |(key, property): (&String, &Value)| {
        let about = property["description"].as_str();
        let values: Vec<String> = match property["enum"].as_array() {
            Some(choices) => choices.iter().map(choice).collect(),
            None if kinds(property) == ["boolean"] => vec!["true".to_owned(), "false".to_owned()],
            None => vec![String::new()],
        };
        values.iter().map(|value| candidate(&format!("{key}={value}"), about)).collect::<Vec<_>>()
    };
    named.iter().flat_map(of_one).collect()
}

/// What is offered, with the first line of what there is to say about it. A word that a shell could take for something
/// else is not offered.
fn candidate(value: &str, about: Option<&str>) -> CompletionCandidate {
    let about = about.and_then(|about| about.lines().next()).map(|about| clean::line(about).into());
    CompletionCandidate::new(clean::line(value)).help(about)
}

/// The definitions of the tools of the instance that was typed.
fn described() -> Vec<Value> {
    let words = words();
    let Some(instance) = positional(&words).into_iter().next() else { return Vec::new() };
    let found = within(async {
        let hub = hub(&words);
        hub.settled().await;
        let (client, _incoming) = hub.client(ClientConfig::default()).ok()?;
        // `.` is what the hub takes when no instance is named.
        let arguments = if instance == "." { json!({}) } else { json!({ "instance_id": instance }) };
        let request = Request::tool(None, "instances_tools", Some(&arguments.to_string())).ok()?;
        let answer = deep::read(client.request(request).await.ok()?.text()).ok()?;
        client.close().await;
        hub.shutdown().await;
        Some(answer["structuredContent"]["tools"].as_array()?.clone())
    });
    found.flatten().unwrap_or_default()
}

/// A hub that sees what the command would.
fn hub(words: &[String]) -> Hub {
    let mut config = HubConfig::default();
    let directory = words.iter().position(|word| word == "--data-dir").and_then(|at| words.get(at + 1));
    if let Some(directory) = directory {
        config.directories = Directories::only(directory);
    }
    let here = std::env::current_dir().ok();
    Loaded::read(&config.directories, here.as_deref()).apply(&mut config, false);
    Hub::start(config)
}

/// Runs it on a runtime of its own, for as long as somebody waits.
fn within<T>(what: impl Future<Output = T>) -> Option<T> {
    let runtime = run::runtime().ok()?;
    let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, what).await.ok() });
    runtime.shutdown_background();
    done
}

/// The line that is being typed: what the shell has put behind `--`.
fn words() -> Vec<String> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The words of the line that are neither the command nor options nor their values.
fn positional(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if VALUED.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            found.push(word.clone());
        }
    }
    // The subcommand.
    if !found.is_empty() {
        found.remove(0);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_not_taken_for_names() {
        let words =
            "brummer-hub --data-dir /d call --json --out x shop find q=".split(' ').map(str::to_owned);
        assert_eq!(positional(&words.collect::<Vec<_>>()), ["shop", "find", "q="]);
        assert!(positional(&["brummer-hub".to_owned()]).is_empty());
    }
}
