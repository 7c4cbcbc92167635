//! Whether somebody listens on a port of this machine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::net::TcpStream;

/// A listener on loopback accepts at once. Windows takes two seconds to refuse, and asks the port again meanwhile.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// No system has an event for "a port is listened on", so it is asked again and again: quickly at first, because many
/// servers are up in a blink, then at a pace that costs nothing and that nobody notices.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What messages call it.
pub(super) fn named(host: Option<IpAddr>, port: u16) -> String {
    host.map_or_else(|| format!("port {port}"), |host| format!("port {port} of {host}"))
}

/// Whether a connection to the port succeeds now. Some dev servers listen on only one of the two addresses.
pub(super) async fn is_open(host: Option<IpAddr>, port: u16) -> bool {
    if let Some(host) = host {
        return accepts(host, port).await;
    }
    let (v4, v6) =
        tokio::join!(accepts(Ipv4Addr::LOCALHOST.into(), port), accepts(Ipv6Addr::LOCALHOST.into(), port));
    v4 || v6
}

async fn accepts(address: IpAddr, port: u16) -> bool {
    let connecting = TcpStream::connect(SocketAddr::new(address, port));
    matches!(tokio::time::timeout(CONNECT_TIMEOUT, connecting).await, Ok(Ok(_)))
}

/// Waits until a connection succeeds. Cancel-safe; the caller sets the bound.
pub(super) async fn opened(host: Option<IpAddr>, port: u16) {
    let mut pause = FIRST_PAUSE;
    while !is_open(host, port).await {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_listener_is_seen_and_its_absence_too() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_open(None, port).await);
        drop(listener);
        assert!(!is_open(None, port).await);
    }

    #[tokio::test]
    async fn a_listener_on_the_other_loopback_counts() {
        // Machines without IPv6 have nothing to see here.
        let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
        assert!(is_open(None, listener.local_addr().unwrap().port()).await);
    }

    #[tokio::test]
    async fn a_late_listener_ends_the_wait() {
        let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = reserved.local_addr().unwrap();
        drop(reserved);
        let waiting = opened(None, address.port());
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let _listener = TcpListener::bind(address).await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    }
}
