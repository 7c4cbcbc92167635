//! Whether a server of this machine answers.

use std::{net::IpAddr, time::Duration};

use brummer_hub::serve::CallError;
use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::detect::urls;

/// How long one attempt may take. A dev server that compiles its first page needs some seconds.
const ATTEMPT: Duration = Duration::from_secs(10);

/// From this status on a server says that it is not ready.
const NOT_READY: u16 = 500;

/// A URL that can be asked: `http`, and on this machine. Anything else would let a client reach into the network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    host: String,
    port: u16,
    /// Path and query.
    path: String,
    authority: String,
}

/// What came of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answered {
    /// With this status.
    Ready(u16),
    NotYet(String),
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, CallError> {
        let refused = |why: &str| Err(CallError::new(format!("cannot wait for `{url}`: {why}")));
        let Some(rest) = url.strip_prefix("http://") else {
            return refused(if url.starts_with("https://") {
                "https is not spoken; wait for its port instead"
            } else {
                "it is no http URL"
            });
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@')
            || !url.is_ascii()
            || url.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return refused("it has characters that it must not have");
        }
        if !urls::is_local(url) {
            return refused("only URLs of this machine can be waited for");
        }
        let host = urls::host(url).to_owned();
        let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        let port = match port.map(|(_, port)| port.parse::<u16>()) {
            None => 80,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return refused("its port is no port"),
        };
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host, port, path, authority: authority.to_owned() })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) async fn ask(&self) -> Answered {
        match timeout(ATTEMPT, self.exchange()).await {
            Ok(Ok(status)) if status < NOT_READY => Answered::Ready(status),
            Ok(Ok(status)) => Answered::NotYet(format!("it answers with status {status}")),
            Ok(Err(why)) => Answered::NotYet(why),
            Err(_) => Answered::NotYet(format!("it takes longer than {ATTEMPT:?} to answer")),
        }
    }

    async fn exchange(&self) -> Result<u16, String> {
        // Every address of a server is an address of this machine.
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1",
            Ok(IpAddr::V6(address)) if address.is_unspecified() => "::1",
            Ok(_) => &self.host,
            // Whatever else a resolver would make of `a.localhost`.
            Err(_) => "localhost",
        };
        let stream = TcpStream::connect((host, self.port)).await;
        let stream = stream.map_err(|error| format!("nothing can be reached there: {error}"))?;
        let broken = |error: hyper::Error| format!("it does not speak HTTP: {error}");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let request = Request::get(&self.path)
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request);
        tokio::pin!(response, connection);
        let response = tokio::select! {
            biased;
            response = &mut response => response,
            ended = &mut connection => {
                ended.map_err(broken)?;
                // It may have ended with the response.
                response.await
            }
        };
        Ok(response.map_err(broken)?.status().as_u16())
    }
}

/// Whether something listens on a port of this machine.
pub(super) async fn listens(port: u16) -> bool {
    for host in ["127.0.0.1", "::1"] {
        if matches!(timeout(ATTEMPT, TcpStream::connect((host, port))).await, Ok(Ok(_))) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap_or_else(|error| panic!("{}", error.message()))
    }

    #[test]
    fn urls_of_this_machine_can_be_asked() {
        let parts = |url: &str| {
            let target = target(url);
            (target.host, target.port, target.path, target.authority)
        };
        let owned = |host: &str, port, path: &str, authority: &str| {
            (host.to_owned(), port, path.to_owned(), authority.to_owned())
        };
        assert_eq!(parts("http://localhost:3000"), owned("localhost", 3000, "/", "localhost:3000"));
        assert_eq!(parts("http://127.0.0.1/a?b#c"), owned("127.0.0.1", 80, "/a?b", "127.0.0.1"));
        assert_eq!(parts("http://[::1]:8000?x"), owned("::1", 8000, "/?x", "[::1]:8000"));
    }

    #[test]
    fn others_cannot() {
        for (url, why) in [
            ("http://example.com/", "only URLs of this machine"),
            ("http://localhost.example.com/", "only URLs of this machine"),
            ("http://169.254.169.254/latest", "only URLs of this machine"),
            ("http://localhost@example.com/", "characters"),
            ("http://localhost:1/\r\nX: y", "characters"),
            ("https://localhost/", "wait for its port"),
            ("ftp://localhost/", "no http URL"),
            ("http://localhost:0/", "no port"),
            ("http://localhost:99999/", "no port"),
        ] {
            let error = Target::parse(url).unwrap_err();
            assert!(error.message().contains(why), "{url}: {}", error.message());
        }
    }

    #[tokio::test]
    async fn the_status_decides() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port).await);
        tokio::spawn(async move {
            for status in ["200 OK", "404 Not Found", "503 Busy", "x"].into_iter().cycle() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = [0; 1024];
                if stream.read(&mut bytes).await.unwrap() == 0 {
                    continue;
                }
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let target = target(&format!("http://localhost:{port}/"));
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(target.ask().await);
        }
        // The first connection above has taken the first answer.
        assert_eq!(answers[0], Answered::Ready(404));
        assert!(matches!(&answers[1], Answered::NotYet(why) if why.contains("503")), "{answers:?}");
        assert!(matches!(&answers[2], Answered::NotYet(why) if why.contains("HTTP")), "{answers:?}");
        assert_eq!(answers[3], Answered::Ready(200));
    }

    #[tokio::test]
    async fn nothing_there_is_not_yet() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert!(!listens(port).await);
        assert!(matches!(target(&format!("http://127.0.0.1:{port}")).ask().await, Answered::NotYet(_)));
    }
}
