//! Whether a server of this machine answers.

use std::{net::IpAddr, sync::Arc, time::Duration};

use brummer_hub::serve::CallError;
use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{self, WebPkiSupportedAlgorithms},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

use crate::detect::urls;

/// How long one attempt may take. A dev server that compiles its first page needs some seconds.
const ATTEMPT: Duration = Duration::from_secs(10);

/// From this status on a server says that it is not ready.
const NOT_READY: u16 = 500;

/// A URL that can be asked: `http` or `https`, and on this machine. Anything else would let a client reach into the network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    is_secure: bool,
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
        let secure = url.strip_prefix("https://");
        let is_secure = secure.is_some();
        let Some(rest) = secure.or_else(|| url.strip_prefix("http://")) else {
            return refused("it is not an http or https URL");
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
            None if is_secure => 443,
            None => 80,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return refused("its port is not valid"),
        };
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { is_secure, host, port, path, authority: authority.to_owned() })
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
        if !self.is_secure {
            return self.request(stream).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let config = config().map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        self.request(stream.map_err(|error| format!("it does not speak TLS: {error}"))?).await
    }

    async fn request(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<u16, String> {
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

/// TLS with a server of this machine. Whose certificate it has does not matter: those of dev servers are made by
/// themselves, and nothing is told to them but that somebody asks.
fn config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Takes any certificate that the server has the key of.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if certificate.is_empty() {
            return Err(CertificateError::BadEncoding.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
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
            ("https://example.com/", "only URLs of this machine"),
            ("ftp://localhost/", "not an http or https URL"),
            ("http://localhost:0/", "port is not valid"),
            ("http://localhost:99999/", "port is not valid"),
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
    async fn a_server_with_a_certificate_of_its_own_making_is_asked() {
        let made = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut bytes = [0; 1024];
                let read = stream.read(&mut bytes).await.unwrap();
                assert!(bytes[..read].starts_with(b"GET /up HTTP/1.1\r\nhost: "), "{:?}", &bytes[..read]);
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        });
        for host in ["localhost", "127.0.0.1"] {
            assert_eq!(target(&format!("https://{host}:{port}/up")).ask().await, Answered::Ready(204));
        }
        assert!(matches!(target(&format!("http://localhost:{port}/up")).ask().await, Answered::NotYet(_)));
        assert_eq!(target("https://localhost/").port(), 443);
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
