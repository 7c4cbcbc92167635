//! `call`: calls a tool of an instance.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::PathBuf,
    time::Duration,
};

use base64::Engine as _;
use brummer_hub::{
    client::{Answer, Incoming, Request},
    frame::Frame,
};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use tokio::sync::mpsc;

use super::{Remote, Setting, arguments, failure, questions, texts};
use crate::{
    clean, deep,
    exit::{ExitStatus, Failure},
    output,
};

/// Progress that is not shown yet: more than a person can read.
const PROGRESS: usize = 16;

/// What to do where a result cannot be written.
const ELSEWHERE: &str = "give another directory with --out";

/// What to call, and what becomes of the result.
#[derive(Clone, Debug)]
pub(crate) struct CallRequest {
    pub(crate) instance: String,
    pub(crate) tool: String,
    /// `-`, a JSON object, or pairs.
    pub(crate) arguments: Vec<String>,
    pub(crate) json: bool,
    /// Where images and audio are written.
    pub(crate) out: PathBuf,
    pub(crate) timeout: Option<Duration>,
}

/// Calls it, and prints what it answers.
pub(crate) async fn call(setting: Setting, request: CallRequest) -> Result<ExitStatus, Failure> {
    // Before the hub: a terminal at which JSON is typed is read to its end.
    let typed = match &request.arguments[..] {
        [dash] if dash == "-" => Some(read_all()?),
        _ => None,
    };
    // A result that has no place is not asked for.
    if !request.json && !request.out.is_dir() {
        let failure = Failure::new(format!("{} is no directory", request.out.display()));
        return Err(failure.hint(ELSEWHERE));
    }
    Remote::with(setting, &questions::capabilities(), |remote, mut incoming| async move {
        run(&remote, &mut incoming, &request, typed.as_deref()).await
    })
    .await
}

async fn run(
    remote: &Remote,
    incoming: &mut Incoming,
    request: &CallRequest,
    typed: Option<&str>,
) -> Result<ExitStatus, Failure> {
    let id = remote.find(&request.instance).await?;
    let arguments = match (typed, &request.arguments[..]) {
        (Some(text), _) => arguments::object(text).map(str::to_owned),
        (None, [whole]) if arguments::is_whole(whole) => arguments::object(whole).map(str::to_owned),
        (None, words) => {
            let schema = schema(remote, &id, request).await?;
            arguments::pairs(words, &schema)
        }
    };
    let text = arguments.map_err(|error| {
        let hint = format!("`brummer-hub tools {}` shows what it takes", request.instance);
        Failure::from(error).hint(hint).with_status(ExitStatus::Usage)
    })?;
    let (progress, mut heard) = mpsc::channel(PROGRESS);
    let mut call = Request::tool(Some(&id), &request.tool, Some(&text))?;
    if io::stderr().is_terminal() {
        call = call.progress(progress);
    }
    if let Some(limit) = request.timeout {
        call = call.timeout(limit);
    }
    let client = remote.client();
    let mut calling = std::pin::pin!(client.request(call));
    let mut answering = std::pin::pin!(questions::answer(client, incoming));
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut calling => break answer,
            () = &mut answering => {}
            Some(frame) = heard.recv() => show_progress(&frame),
        }
    };
    let answer = answer.map_err(|error| failure(&error))?;
    let result = deep::read(answer.text())?;
    if request.json {
        output::data(&format!("{}\n", clean::json(answer.text())))?;
    } else {
        print(&answer, &result, request)?;
    }
    Ok(if result["isError"] == true { ExitStatus::Tool } else { ExitStatus::Success })
}

/// The input schema of the tool.
async fn schema(remote: &Remote, id: &str, request: &CallRequest) -> Result<Value, Failure> {
    let tools = remote.tools(id).await?;
    let names = || {
        let names = tools.iter().filter_map(|tool| tool.read.get("name")?.as_str());
        clean::line(&names.collect::<Vec<_>>().join(", "))
    };
    let tool = tools.iter().find(|tool| tool.read.get("name").is_some_and(|name| *name == request.tool));
    let tool = tool.ok_or_else(|| {
        let failure = Failure::new(format!("{} has no tool `{}`", request.instance, request.tool));
        failure.hint(if tools.is_empty() {
            "it has no tools".to_owned()
        } else {
            format!("its tools are {}", names())
        })
    })?;
    Ok(tool.read.get("inputSchema").cloned().unwrap_or_default())
}

fn read_all() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

fn show_progress(frame: &Frame) {
    let Ok(message) = deep::read(&String::from_utf8_lossy(frame.bytes())) else { return };
    let params = &message["params"];
    let about = clean::line(params["message"].as_str().unwrap_or_default());
    let share = match (params["progress"].as_f64(), params["total"].as_f64()) {
        (Some(done), Some(total)) => format!("{done}/{total} "),
        (Some(done), None) => format!("{done} "),
        _ => String::new(),
    };
    output::note(format!("{share}{about}").trim_end());
}

/// Prints the result: texts as they are, everything that is no text into files. What cannot be written is named when all else is
/// printed: the tool has run, and may not be called again for it.
fn print(answer: &Answer, result: &Value, request: &CallRequest) -> Result<(), Failure> {
    if result["isError"] == true {
        output::note(clean::block(&texts(result)).trim_end());
        return Ok(());
    }
    let blocks = result["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (mut printed, mut lost) = (String::new(), Vec::new());
    for (at, block) in blocks.iter().enumerate() {
        match part(block, request) {
            Ok(text) => {
                printed += text.trim_end_matches('\n');
                printed.push('\n');
            }
            Err(why) => {
                let name = block["resource"]["uri"].as_str().or(block["type"].as_str()).unwrap_or_default();
                lost.push(format!("{} (part {}): {why}", clean::line(name), at + 1));
            }
        }
    }
    if blocks.is_empty() && !result["structuredContent"].is_null() {
        #[derive(Deserialize)]
        struct Structured<'a> {
            #[serde(borrow, rename = "structuredContent")]
            content: &'a RawValue,
        }
        let text = answer.read::<Structured<'_>>()?.content.get();
        // What is too deep to be laid out is there as it came.
        printed = if deep::is_deep(text) {
            clean::json(&format!("{text}\n"))
        } else {
            clean::json(&format!("{:#}\n", result["structuredContent"]))
        };
    }
    output::data(&printed)?;
    if lost.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} of {} parts of the result could not be written: {}",
        lost.len(),
        blocks.len(),
        lost.join("; ")
    );
    Err(Failure::new(message).hint("the tool has run; --json prints all that it answers"))
}

/// What is printed of one part of the result.
fn part(block: &Value, request: &CallRequest) -> Result<String, String> {
    Ok(match block["type"].as_str() {
        Some("text") => clean::block(block["text"].as_str().unwrap_or_default()),
        Some("image" | "audio") => saved(block["data"].as_str(), block["mimeType"].as_str(), request)?,
        Some("resource") => match block["resource"].as_object() {
            Some(resource) => embedded(resource, request)?,
            None => String::new(),
        },
        Some("resource_link") => clean::line(block["uri"].as_str().unwrap_or_default()),
        _ => clean::json(&block.to_string()),
    })
}

fn embedded(resource: &Map<String, Value>, request: &CallRequest) -> Result<String, String> {
    let text = |key: &str| resource.get(key).and_then(Value::as_str);
    match (text("text"), text("blob")) {
        (Some(text), _) => Ok(clean::block(text)),
        (None, Some(blob)) => saved(Some(blob), text("mimeType"), request),
        (None, None) => Ok(clean::line(text("uri").unwrap_or_default())),
    }
}

/// Writes it into a new file, whose name nobody but the user has chosen.
fn saved(data: Option<&str>, kind: Option<&str>, request: &CallRequest) -> Result<String, String> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(data.unwrap_or_default())
        .map_err(|error| format!("it is not base64: {error}"))?;
    let stem: String = request
        .tool
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .take(64)
        .collect();
    let end = extension(kind.unwrap_or_default());
    for number in 1..10_000 {
        let path = request.out.join(format!("{stem}-{number}.{end}"));
        let unwritten = |error: io::Error| format!("cannot write {}: {error}", path.display());
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(&bytes).map_err(unwritten)?;
                return Ok(path.display().to_string());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritten(error)),
        }
    }
    Err(format!("{} holds too many results already", request.out.display()))
}

fn extension(kind: &str) -> &'static str {
    match kind.split(';').next().unwrap_or_default().trim() {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/avif" => "avif",
        "image/svg+xml" => "svg",
        "audio/mpeg" => "mp3",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/ogg" => "ogg",
        "audio/flac" => "flac",
        "audio/mp4" | "audio/aac" => "m4a",
        "audio/webm" => "webm",
        "application/pdf" => "pdf",
        _ => "bin",
    }
}
