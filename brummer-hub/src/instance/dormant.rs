//! After death: the stale doorbell is removed, or a silent instance is kept in mind.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    actor::{Actor, ActorOptions, Ended, claim, foreign, later},
    machine::{Verdict, verdict},
};
use crate::{
    discovery::{self, Found},
    process::{self, Identity, Inspector},
    upstream::{LinkId, UpstreamEventKind},
};

/// How long a port may take to refuse. Loopback refuses at once, but Windows tries for two seconds first.
const REFUSAL: Duration = Duration::from_secs(5);

impl Actor {
    /// Looks from time to time whether an instance whose process lives answers again. It is not listed meanwhile.
    pub(super) async fn dormant(&mut self) -> Ended {
        loop {
            // Jittered for the same reason as the pings.
            let pause = self.options.config.health.probe_interval.mul_f64(0.75 + fastrand::f64() / 2.0);
            tokio::select! {
                biased;
                changed = self.standing.changed() => {
                    if changed.is_err() || self.standing.borrow_and_update().withdrawn {
                        return Ended::Over;
                    }
                    continue;
                }
                () = later(&mut self.exited) => self.exited = None,
                () = sleep(pause) => {}
            }
            let identity = self.options.identify().await;
            match verdict(identity) {
                Verdict::Itself if self.options.answers(identity).await => return Ended::Woke,
                Verdict::Itself | Verdict::Unreachable(_) | Verdict::Lost(_) => {}
                Verdict::Gone(_) => {
                    bury(&self.options.found).await;
                    return Ended::Over;
                }
            }
        }
    }
}

impl ActorOptions {
    async fn answers(&self, identity: Identity) -> bool {
        let limits = &self.config.limits;
        // A number that no connection of the machine has; this one reports to nobody else.
        let mut link = self.open(LinkId(u64::MAX), identity.address());
        let ready = async {
            loop {
                match link.recv().await {
                    Some(UpstreamEventKind::Ready(welcome)) => {
                        return foreign(&welcome, &self.found).is_none();
                    }
                    Some(UpstreamEventKind::Failed(_)) | None => return false,
                    Some(_) => {}
                }
            }
        };
        timeout(limits.connect_timeout + limits.initialize_timeout, ready).await.unwrap_or(false)
    }
}

/// Removes the doorbell of a process that is gone, if its port refuses too. On doubt it stays, as when the process id counts
/// elsewhere: in a container that shares the directory.
pub(super) async fn bury(found: &Arc<Found>) {
    let ours = process::same_namespace(found.doorbell.pid_namespace, process::own_namespace());
    if ours && refuses(found.doorbell.port).await {
        discovery::remove_stale(Arc::clone(found)).await;
    }
}

/// Looks once more at a doorbell whose instance was found to be gone. Says whether it is there after all.
pub(crate) async fn revisit(found: Arc<Found>, inspector: Inspector) -> (Arc<Found>, bool) {
    let verdict = verdict(inspector.identify(claim(&found)).await);
    if let Verdict::Gone(_) = verdict {
        bury(&found).await;
    }
    (found, matches!(verdict, Verdict::Itself))
}

/// Whether nobody listens on a loopback port, in either family. Any other answer is a doubt.
async fn refuses(port: u16) -> bool {
    let connect = |address: IpAddr| timeout(REFUSAL, TcpStream::connect((address, port)));
    let (four, six) = tokio::join!(connect(Ipv4Addr::LOCALHOST.into()), connect(Ipv6Addr::LOCALHOST.into()));
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    // A machine without IPv6 has no such address, which is as good as a refusal.
    matches!(four, Ok(Err(error)) if refused(&error)) && !matches!(six, Ok(Ok(_)) | Err(_))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_refuses_when_nobody_listens() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!refuses(port).await);
        drop(listener);
        assert!(refuses(port).await);
    }
}
