//! `config`: what counts and where it is said, and what this user has agreed to.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use brummer_hub::{discovery::Directories, policy::ToolFilter, sources::SourceKind};
use brummer_run::{mask_setting, mask_words};
use serde_json::{Value, json};

use super::{
    ConfigFile, Consent, FileState, Loaded, Origin, ServerState,
    effective::{DeclaredAt, RuleAt},
    files::PROJECT_FILE,
    parse::{ServerKind, Stdio},
};
use crate::{
    args::Idle,
    clean,
    exit::{ExitStatus, Failure},
    output,
};

/// What is asked of the files.
#[derive(Clone, Debug)]
pub(crate) enum ConfigRequest {
    Show {
        json: bool,
    },
    /// Agree to the file of the project of this directory.
    Trust(PathBuf),
    Untrust(PathBuf),
}

/// Does what is asked.
pub(crate) fn config(directories: &Directories, request: ConfigRequest) -> Result<ExitStatus, Failure> {
    match request {
        ConfigRequest::Show { json } => show(directories, json),
        ConfigRequest::Trust(directory) => trust(directories, &directory),
        ConfigRequest::Untrust(directory) => untrust(directories, &directory),
    }
}

fn show(directories: &Directories, as_json: bool) -> Result<ExitStatus, Failure> {
    let here = std::env::current_dir().ok();
    let mut loaded = Loaded::read(directories, here.as_deref());
    let troubles = loaded.troubles(directories);
    loaded.effective.problems.extend(troubles);
    let text = if as_json { format!("{:#}\n", value(&loaded)) } else { text(&loaded) };
    output::data(&if as_json { clean::json(&text) } else { clean::block(&text) })?;
    let is_fine = loaded.effective.problems.is_empty();
    Ok(if is_fine { ExitStatus::Success } else { ExitStatus::Failure })
}

/// The nearest file of a project, from a directory or the file itself.
fn nearest(directory: &Path) -> Result<ConfigFile, Failure> {
    let start = std::path::absolute(directory)?;
    let start = if start.file_name().is_some_and(|name| name == PROJECT_FILE) && !start.is_dir() {
        start.parent().map(Path::to_owned).unwrap_or_default()
    } else {
        start
    };
    let mut files = start.ancestors().map(|above| ConfigFile::read(above.join(PROJECT_FILE), true));
    files.find(|file| file.state != FileState::Absent).ok_or_else(|| {
        Failure::new(format!("there is no {PROJECT_FILE} in {} or above it", directory.display()))
            .with_status(ExitStatus::Usage)
    })
}

fn trust(directories: &Directories, directory: &Path) -> Result<ExitStatus, Failure> {
    let file = nearest(directory)?;
    let path = clean::line(&file.path.to_string_lossy());
    for (line, text) in &file.contents.problems {
        output::note(format_args!("warning: {}: {}", at(&path, *line), mask_setting(text)));
    }
    if file.state == FileState::Refused {
        return Err(Failure::new(format!("{path} cannot be trusted")));
    }
    let servers: Vec<String> = file
        .contents
        .servers
        .iter()
        .filter_map(|(name, server)| Some(format!("  {name}: {}", what(server.kind.as_ref()?))))
        .collect();
    if servers.is_empty() {
        output::data(&format!("{path} declares no server: there is nothing to agree to\n"))?;
        return Ok(ExitStatus::Success);
    }
    let consents = super::consent::Consents::of(directories);
    consents.give(&file).map_err(|error| Failure::new(format!("cannot write the consent: {error}")))?;
    let text = format!(
        "{path} is trusted as it is now. Hubs that work there start, when they are needed:\n{}\n\
         Any change of the file asks again. `brummer-hub config untrust` takes it back.\n",
        servers.join("\n")
    );
    output::data(&clean::block(&text))?;
    Ok(ExitStatus::Success)
}

fn untrust(directories: &Directories, directory: &Path) -> Result<ExitStatus, Failure> {
    let file = nearest(directory)?;
    let path = clean::line(&file.path.to_string_lossy());
    let consents = super::consent::Consents::of(directories);
    let was = consents
        .take_back(&file.path)
        .map_err(|error| Failure::new(format!("cannot remove the consent: {error}")))?;
    output::data(&if was {
        format!(
            "{path} is not trusted any more. Hubs let go of its servers, and none is started anew.\n\
             One that runs ends when nobody has used it for its idle time; `brummer-hub stop NAME` ends it now.\n"
        )
    } else {
        format!("{path} was not trusted\n")
    })?;
    Ok(ExitStatus::Success)
}

fn at(path: &str, line: usize) -> String {
    if line == 0 { path.to_owned() } else { format!("{path}:{line}") }
}

/// What a server is, on one line.
fn what(kind: &ServerKind) -> String {
    match kind {
        ServerKind::Stdio(stdio) => {
            let words = words_of(stdio);
            let mut text = words.iter().map(|word| word_of(word)).collect::<Vec<_>>().join(" ");
            let idle = match stdio.idle {
                Some(Idle::Never) => ", kept for ever".to_owned(),
                Some(Idle::After(idle)) => format!(", idle {idle:?}"),
                None => String::new(),
            };
            let _ = write!(text, " (stdio, {}{idle}", stdio.sharing.name());
            if let Some(cwd) = &stdio.cwd {
                let _ = write!(text, ", in {}", mask_setting(cwd));
            }
            if !stdio.env.is_empty() {
                let _ = write!(text, ", with {}", stdio.env.join(", "));
            }
            clean::line(&(text + ")"))
        }
        ServerKind::Http(http) => {
            let secrets = http.token.iter().chain(http.headers.values()).cloned().collect::<Vec<_>>();
            let with =
                if secrets.is_empty() { String::new() } else { format!(" (with {})", secrets.join(", ")) };
            clean::line(&(mask_setting(&http.url) + &with))
        }
    }
}

/// Command and arguments. What a person has written into them although secrets do not belong there is not shown to others.
fn words_of(stdio: &Stdio) -> Vec<String> {
    mask_words(&std::iter::once(&stdio.command).chain(&stdio.args).cloned().collect::<Vec<_>>())
}

/// Labels without secrets.
fn labels_of(labels: &BTreeMap<String, String>) -> BTreeMap<&String, String> {
    let masked = labels.iter().map(|(name, value)| {
        let pair = mask_words(&[format!("{name}={value}")]);
        (name, pair[0].strip_prefix(&format!("{name}=")).unwrap_or(&pair[0]).to_owned())
    });
    masked.collect()
}

/// A word as a shell would want it, so that two words do not look like one.
fn word_of(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./:@%+,~[]".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) { word.to_owned() } else { format!("{word:?}") }
}

fn filter_text(tools: &ToolFilter) -> String {
    let list = |globs: &[brummer_hub::policy::Glob]| {
        globs.iter().map(|glob| glob.as_str().to_owned()).collect::<Vec<_>>().join(", ")
    };
    let mut text = String::new();
    if !tools.show.is_empty() {
        let _ = write!(text, "; shows {}", list(&tools.show));
    }
    if !tools.hide.is_empty() {
        let _ = write!(text, "; hides {}", list(&tools.hide));
    }
    text
}

fn state_of(loaded: &Loaded, file: &ConfigFile) -> (&'static str, Option<bool>) {
    match file.state {
        FileState::Absent => ("absent", None),
        FileState::Refused => ("refused", None),
        FileState::Read if file.needs_consent() => {
            ("read", Some(loaded.undecided().all(|(undecided, _)| undecided.path != file.path)))
        }
        FileState::Read => ("read", None),
    }
}

fn text(loaded: &Loaded) -> String {
    let mut text = "Files\n".to_owned();
    for file in &loaded.files {
        let path = clean::line(&file.path.to_string_lossy());
        let more = match loaded.undecided().find(|(undecided, _)| undecided.path == file.path) {
            Some((_, Consent::Outdated)) => {
                "; it has changed since it was trusted: `brummer-hub config trust`"
            }
            Some(_) => "; not trusted, so that it starts nothing: `brummer-hub config trust`",
            None => "",
        };
        let _ = writeln!(text, "  {path}: {}{more}", state_of(loaded, file).0);
    }
    let all = &loaded.effective;
    if !all.servers.is_empty() {
        text.push_str("\nServers\n");
    }
    for server in &all.servers {
        let kind = server.server.kind.as_ref().map(what).unwrap_or_else(|| "switched off".to_owned());
        let labels = labels_of(&server.server.labels);
        let labels = labels.iter().map(|(name, value)| format!("; label {name}={value}"));
        let labels = clean::line(&labels.collect::<String>());
        let _ = writeln!(
            text,
            "  {}: {kind}{labels}{}\n      {}{}",
            server.name,
            clean::line(&filter_text(&server.server.tools)),
            server.origin.text(),
            standing(server).map(|standing| format!("; {standing}")).unwrap_or_default(),
        );
    }
    if !all.rules.is_empty() {
        text.push_str("\nInstances\n");
    }
    for RuleAt { origin, rule } in &all.rules {
        let mut said = clean::line(rule.called.as_str());
        if let Some(place) = rule.within.last() {
            let _ = write!(said, " in {}", clean::line(&place.to_string_lossy()));
        }
        let name = rule.name.as_ref().map(|name| format!("; called {name}")).unwrap_or_default();
        let labels = labels_of(&rule.labels);
        let labels = labels.iter().map(|(name, value)| format!("; label {name}={value}"));
        let labels: String = labels.collect();
        let details = clean::line(&format!("{name}{labels}{}", filter_text(&rule.tools)));
        let _ = writeln!(text, "  {said}{details}\n      {}", origin.text());
    }
    if !all.sources.is_empty() {
        text.push_str("\nSources\n");
    }
    for source in &all.sources {
        let on = if source.on { "on" } else { "off" };
        let _ = writeln!(text, "  {}: {on}\n      {}", source.kind, source.origin.text());
    }
    if !all.problems.is_empty() {
        text.push_str("\nProblems\n");
    }
    for problem in loaded.problems() {
        let _ = writeln!(text, "  {}", mask_setting(&problem));
    }
    text
}

/// Why a server is not there.
fn standing(server: &DeclaredAt) -> Option<String> {
    match &server.state {
        ServerState::Wanted => None,
        ServerState::Off(by) if *by == server.origin => Some("off".to_owned()),
        ServerState::Off(by) => Some(format!("switched off at {}", by.text())),
        ServerState::Replaced(by) => Some(format!("replaced by {}", by.text())),
        ServerState::NeedsConsent(Consent::Outdated) => Some("changed since it was trusted".to_owned()),
        ServerState::NeedsConsent(_) => Some("not trusted".to_owned()),
    }
}

fn origin(origin: &Origin) -> Value {
    json!({ "file": origin.file.to_string_lossy(), "line": origin.line })
}

fn value(loaded: &Loaded) -> Value {
    let all = &loaded.effective;
    let files = loaded.files.iter().map(|file| {
        let (state, trusted) = state_of(loaded, file);
        json!({ "path": file.path.to_string_lossy(), "kind": if file.is_project { "project" } else { "user" },
            "state": state, "trusted": trusted })
    });
    let servers = all.servers.iter().map(|declared| {
        let server = &declared.server;
        let state = match declared.state {
            ServerState::Wanted => "wanted",
            ServerState::Off(_) => "off",
            ServerState::Replaced(_) => "replaced",
            ServerState::NeedsConsent(_) => "untrusted",
        };
        let mut value = json!({ "name": declared.name, "origin": origin(&declared.origin), "state": state,
            "because": standing(declared), "labels": labels_of(&server.labels), "show": globs(&server.tools.show),
            "hide": globs(&server.tools.hide) });
        match &server.kind {
            Some(ServerKind::Stdio(stdio)) => {
                let words = words_of(stdio);
                value["command"] = json!(words[0]);
                value["args"] = json!(words[1..]);
                value["env"] = json!(stdio.env);
                value["cwd"] = json!(stdio.cwd.as_deref().map(mask_setting));
                value["sharing"] = json!(stdio.sharing.name());
                value["idle_ms"] = match stdio.idle {
                    Some(Idle::After(idle)) => json!(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)),
                    Some(Idle::Never) => json!("never"),
                    None => Value::Null,
                };
            }
            Some(ServerKind::Http(http)) => {
                value["url"] = json!(mask_setting(&http.url));
                value["token_env"] = json!(http.token);
                value["header_env"] = json!(http.headers);
            }
            None => {}
        }
        value
    });
    let rules = all.rules.iter().map(|RuleAt { origin: at, rule }| {
        let within: Vec<_> = rule.within.iter().map(|place| place.to_string_lossy()).collect();
        json!({ "called": rule.called.as_str(), "origin": origin(at), "within": within, "name": rule.name,
            "labels": labels_of(&rule.labels), "show": globs(&rule.tools.show), "hide": globs(&rule.tools.hide) })
    });
    let sources = all.sources.iter().map(|source| {
        json!({ "name": SourceKind::name(source.kind), "on": source.on, "origin": origin(&source.origin) })
    });
    let problems =
        all.problems.iter().map(|(at, text)| json!({ "origin": origin(at), "text": mask_setting(text) }));
    json!({ "files": files.collect::<Vec<_>>(), "servers": servers.collect::<Vec<_>>(),
        "instances": rules.collect::<Vec<_>>(), "sources": sources.collect::<Vec<_>>(),
        "problems": problems.collect::<Vec<_>>() })
}

fn globs(globs: &[brummer_hub::policy::Glob]) -> Vec<&str> {
    globs.iter().map(brummer_hub::policy::Glob::as_str).collect()
}
