//! Servers that a person declares instead of their announcing themselves: an address of this machine that never changes.
//!
//! One task for each looks who listens on the port, and tells the hub as a doorbell would, so that the same evidence counts.
//! No system says that a port is listened on, so it looks again with growing pauses; the end of the process is an event.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    discovery::{Found, Ring},
    doorbell::{Doorbell, DoorbellError, InstanceId, MAX_NAME_BYTES, Secret, endpoint_of_url, fits_headers},
    process,
    sources::SourceKind,
};

/// Pauses between two looks at a port that nobody listens on: a look costs some microseconds, and a person who starts a
/// program notices nothing of the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A server on a port of this machine that speaks MCP.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeclaredServer {
    /// Names it.
    pub id: InstanceId,
    /// What people call it.
    pub name: String,
    /// The project that it belongs to.
    pub path: PathBuf,
    /// The file that declares it.
    pub file: PathBuf,
    /// What it is sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// Other header fields that it is sent, by name.
    pub headers: BTreeMap<String, Secret>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    host: Option<IpAddr>,
    port: u16,
    endpoint: String,
}

impl DeclaredServer {
    /// A server at an `http` URL of this machine.
    ///
    /// # Errors
    /// When the URL is none, or leads elsewhere.
    pub fn new(
        id: InstanceId,
        name: impl Into<String>,
        url: &str,
        file: PathBuf,
    ) -> Result<Self, DoorbellError> {
        let (endpoint, host, port) = endpoint_of_url(url)?;
        let name = name.into();
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(DoorbellError::Invalid { member: "name", expected: "1 to 256 bytes long" });
        }
        let path = file.parent().map(PathBuf::from).unwrap_or_default();
        let (token, headers, labels) = (None, BTreeMap::new(), BTreeMap::new());
        Ok(Self { id, name, path, file, token, headers, labels, host, port, endpoint })
    }

    /// Whether its token and header fields can be sent.
    ///
    /// # Errors
    /// When one of them is the hub's to write, or is none.
    pub fn check(&self) -> Result<(), DoorbellError> {
        if fits_headers(self.token.as_ref(), &self.headers) {
            return Ok(());
        }
        let expected = "names of header fields that are not the protocol's own";
        Err(DoorbellError::Invalid { member: "headers", expected })
    }

    fn found(&self, pid: u32) -> Found {
        let mut doorbell = Doorbell::new(self.id.clone(), pid, &self.path, self.port);
        doorbell.name.clone_from(&self.name);
        doorbell.host = self.host;
        doorbell.endpoint.clone_from(&self.endpoint);
        doorbell.token.clone_from(&self.token);
        doorbell.headers.clone_from(&self.headers);
        doorbell.labels.clone_from(&self.labels);
        doorbell.pid_namespace = process::own_namespace();
        // A place of its own for each server of a file. The oldest time: where the server announces itself as well, what it
        // says counts.
        let place = self.file.join(self.id.as_str());
        Found::new(doorbell, place, SystemTime::UNIX_EPOCH, SourceKind::Config)
    }
}

/// Tells the hub of a server whenever somebody listens on its port.
pub(crate) async fn attend(server: DeclaredServer, rings: mpsc::Sender<Ring>, stop: CancellationToken) {
    let attending = async {
        let mut has_looked = false;
        loop {
            let mut pause = FIRST_PAUSE;
            let pid = loop {
                let (host, port) = (server.host, server.port);
                let look = move || process::owner_of_port(host, port);
                // It fails only when the runtime shuts down.
                let owner = tokio::task::spawn_blocking(look).await.ok().flatten();
                if let Some(pid) = owner {
                    break pid;
                }
                if !std::mem::replace(&mut has_looked, true)
                    && rings.send(Ring::Missed(server.id.clone())).await.is_err()
                {
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            };
            has_looked = true;
            let found = server.found(pid);
            let (file, id) = (found.file.clone(), server.id.clone());
            if rings.send(Ring::Appeared(found.into())).await.is_err() {
                return;
            }
            process::exited(pid, stop.clone()).await;
            if rings.send(Ring::Removed { file, id }).await.is_err() {
                return;
            }
        }
    };
    // Whether it was stopped or the hub has gone is the same.
    let _ = stop.run_until_cancelled(attending).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<DeclaredServer, DoorbellError> {
        DeclaredServer::new(InstanceId::parse("x").unwrap(), "x", url, "/home/me/config.toml".into())
    }

    #[test]
    fn only_this_machine_can_be_declared() {
        let fine = server("http://localhost:3845/mcp").unwrap();
        assert_eq!((fine.host, fine.port, &*fine.endpoint), (None, 3845, "/mcp"));
        assert_eq!(server("http://127.0.0.2:1/").unwrap().host, Some("127.0.0.2".parse().unwrap()));
        for url in [
            "https://localhost:1/mcp",
            "http://example.org/mcp",
            "http://localhost@example.org/",
            "http://192.168.1.1:80/mcp",
            "http://localhost:1/../x",
            "http://localhost:0/",
            "nothing",
            "",
        ] {
            assert!(server(url).is_err(), "{url}");
        }
    }

    #[test]
    fn header_fields_of_the_protocol_are_not_to_be_set() {
        let mut server = server("http://localhost:1/").unwrap();
        server.headers.insert("x-key".to_owned(), Secret::new("k").unwrap());
        server.check().unwrap();
        server.headers.insert("mcp-session-id".to_owned(), Secret::new("k").unwrap());
        assert!(server.check().unwrap_err().to_string().contains("header fields"));
    }
}
