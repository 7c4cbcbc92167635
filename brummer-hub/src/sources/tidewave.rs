//! Tidewave: an MCP server within the dev servers of Phoenix, Rails, Django, Flask, FastAPI, Vite and others. It leaves no record.
//! A dev server that is known already, of a project that says it uses Tidewave, is asked for the page by which Tidewave is to be
//! found. No `Origin` is sent, there and later: it refuses any.

use std::{
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    SourceKind, places,
    record::{McpEndpoint, Record, Seen},
};
use crate::discovery::{Found, open_regular};

/// The page by which it is found, and where it speaks MCP.
const PAGE: &str = "/tidewave/config";
const ENDPOINT: &str = "/tidewave/mcp";

/// Where a project says what it depends on.
const MANIFESTS: [&str; 6] =
    ["mix.exs", "Gemfile", "package.json", "pyproject.toml", "requirements.txt", "uv.lock"];

/// What is read of each.
const MAX_MANIFEST: u64 = 1024 * 1024;

/// The pauses before each question: a dev server may load it after it has begun to listen.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];

/// How long one question may take. A dev server compiles the first thing that it is asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that is read of an answer.
const MAX_ANSWER: usize = 64 * 1024;

/// The instance of Tidewave within this server, if it has one. `place`: where the server is known from.
pub(super) async fn find(
    known: &Record,
    project: PathBuf,
    place: PathBuf,
    address: Option<IpAddr>,
) -> Option<Arc<Found>> {
    let directory = project.clone();
    // It fails only when the runtime shuts down.
    if !tokio::task::spawn_blocking(move || uses(&directory)).await.unwrap_or(false) {
        return None;
    }
    for pause in PAUSES {
        sleep(pause).await;
        if !timeout(PATIENCE, answers(known.port, address)).await.unwrap_or(false) {
            continue;
        }
        let record = Record {
            host: address,
            project: Some(project),
            name: Some("tidewave".to_owned()),
            mcp: Some(McpEndpoint { endpoint: ENDPOINT.to_owned(), ..McpEndpoint::default() }),
            started: known.started,
            ..Record::new(SourceKind::Tidewave, known.pid, known.port)
        };
        // The oldest time: where `run` or the program itself announces it, that counts.
        return Seen { record, place: place.join("tidewave"), modified: SystemTime::UNIX_EPOCH }.found();
    }
    None
}

/// Whether a project names it, in its own directory or at the root of its repository. Blocking.
fn uses(project: &Path) -> bool {
    let directories = [Some(project), places::repository(project, None)];
    let mut files = directories.into_iter().flatten().flat_map(|it| MANIFESTS.map(|file| it.join(file)));
    files.any(|file| read(&file).is_some_and(|text| text.contains("tidewave")))
}

fn read(file: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    open_regular(file).ok()?.take(MAX_MANIFEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether its page is there.
async fn answers(port: u16, address: Option<IpAddr>) -> bool {
    let addresses =
        address.map_or(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()], |it| vec![it]);
    for address in addresses {
        if let Ok(stream) = TcpStream::connect((address, port)).await {
            return page(stream, port).await.unwrap_or_else(|error| {
                tracing::debug!(port, %error, "asked for Tidewave in vain");
                false
            });
        }
    }
    false
}

async fn page(stream: TcpStream, port: u16) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(PAGE)
        .header(header::HOST, format!("localhost:{port}"))
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let asking = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Ok(false);
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await?.to_bytes();
        Ok(serde_json::from_slice::<Value>(&body).is_ok_and(|config| config.is_object()))
    };
    // Driven here, so that it ends with the question.
    tokio::pin!(asking, connection);
    tokio::select! {
        biased;
        answered = &mut asking => answered,
        closed = &mut connection => {
            closed?;
            asking.await
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_a_file_and_no_pipe_that_keeps_a_thread() {
        let project = tempfile::tempdir().unwrap();
        let place = project.path();
        for pipe in ["mix.exs", "Gemfile"] {
            assert!(std::process::Command::new("mkfifo").arg(place.join(pipe)).status().unwrap().success());
        }
        std::os::unix::fs::symlink("/dev/zero", place.join("package.json")).unwrap();
        std::fs::create_dir(place.join("uv.lock")).unwrap();
        // A `.git` that is one makes it no repository whose files count besides.
        assert!(std::process::Command::new("mkfifo").arg(place.join(".git")).status().unwrap().success());
        assert!(!uses(place));
        assert_eq!(places::branch(place), None);
        std::fs::write(place.join("kept.txt"), "tidewave==0.1\n").unwrap();
        std::os::unix::fs::symlink("kept.txt", place.join("requirements.txt")).unwrap();
        assert!(uses(place), "a link to a file is one");
    }
}
