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
    actor::{ActorOptions, Ended, InstanceActor, foreign, identify, later},
    machine::{IdentityVerdict, verdict},
};
use crate::{
    config::Limits,
    discovery::{self, Found},
    process::{self, Identity, Inspector},
    upstream::{ExchangeReason, LinkId, UpstreamEventKind},
};

/// How long one question to an instance that was given up waits at most: a server that has lost it is asked anew then.
const LONGEST_QUESTION: Duration = Duration::from_secs(600);

/// How long a port may take to refuse. Loopback refuses at once, but Windows tries for two seconds first.
const REFUSAL: Duration = Duration::from_secs(5);

impl InstanceActor {
    /// Waits until an instance whose process lives answers again. It is not listed meanwhile. It is asked all the time, in
    /// one question that waits ever longer: one that is stopped answers it as soon as it goes on.
    pub(super) async fn dormant(&mut self) -> Ended {
        let mut patience = self.options.config.limits.initialize_timeout;
        loop {
            let found = tokio::select! {
                biased;
                changed = self.standing.changed() => {
                    if changed.is_err() || self.standing.borrow_and_update().withdrawn {
                        return Ended::Over;
                    }
                    continue;
                }
                () = later(&mut self.exited) => {
                    self.exited = None;
                    continue;
                }
                found = self.options.look(patience) => found,
            };
            match found {
                DormantLook::Answers => return Ended::Woke,
                DormantLook::Gone => {
                    bury(&self.options.found).await;
                    return Ended::Over;
                }
                DormantLook::Silent => patience = patience.saturating_mul(2).min(LONGEST_QUESTION),
                DormantLook::Refused => {
                    // Jittered for the same reason as the pings.
                    let pause =
                        self.options.config.health.probe_interval.mul_f64(0.75 + fastrand::f64() / 2.0);
                    tokio::select! {
                        biased;
                        changed = self.standing.changed() => {
                            if changed.is_err() || self.standing.borrow_and_update().withdrawn {
                                return Ended::Over;
                            }
                        }
                        () = later(&mut self.exited) => self.exited = None,
                        () = sleep(pause) => {}
                    }
                }
            }
        }
    }
}

/// What came of a look at an instance that was given up.
enum DormantLook {
    Answers,
    /// It takes connections and does not answer.
    Silent,
    /// Nobody listens, or somebody else, or what is answered is no MCP.
    Refused,
    Gone,
}

impl ActorOptions {
    async fn look(&self, patience: Duration) -> DormantLook {
        let identity = self.identify().await;
        match verdict(identity) {
            IdentityVerdict::Itself => self.question(identity, patience).await,
            IdentityVerdict::Unreachable(_) | IdentityVerdict::Lost(_) => DormantLook::Refused,
            IdentityVerdict::Gone(_) => DormantLook::Gone,
        }
    }

    async fn question(&self, identity: Identity, patience: Duration) -> DormantLook {
        let limits = Limits { initialize_timeout: patience, ..self.config.limits };
        // A number that no connection of the machine has; this one reports to nobody else.
        // It waits for long, and others must not wait behind it.
        let mut link = self.open(LinkId(u64::MAX), identity.address(), limits, None);
        loop {
            match link.recv().await {
                Some(UpstreamEventKind::Ready(welcome)) if foreign(&welcome, &self.found).is_none() => {
                    return DormantLook::Answers;
                }
                Some(UpstreamEventKind::Failed(error))
                    if matches!(error.reason, ExchangeReason::TimedOut { .. }) =>
                {
                    return DormantLook::Silent;
                }
                Some(UpstreamEventKind::Ready(_) | UpstreamEventKind::Failed(_)) | None => {
                    return DormantLook::Refused;
                }
                Some(_) => {}
            }
        }
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
    let verdict = verdict(identify(Arc::clone(&found), inspector).await);
    if let IdentityVerdict::Gone(_) = verdict {
        bury(&found).await;
    }
    (found, matches!(verdict, IdentityVerdict::Itself))
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
