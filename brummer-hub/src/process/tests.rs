use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener},
    process::{Child, ChildStdout, Command, Stdio},
};

use futures_util::future::join_all;

use tokio_util::sync::CancellationToken;

use super::*;

/// Far beyond what anything here takes: it only keeps a broken wait from hanging the tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells this test binary to be a process that listens.
const ROLE: &str = "BRUMMER_TEST_LISTENER";

/// Not a test of its own: what the processes that the tests start run.
#[test]
fn as_listener() {
    if env::var_os(ROLE).is_none() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("\nport {}", listener.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    // Until the parent closes its end, or is gone.
    let _ = std::io::stdin().lines().next();
}

/// A child of this process that listens.
struct ListeningProcess {
    child: Child,
    port: u16,
    /// Kept, because the child still writes when it ends.
    _output: BufReader<ChildStdout>,
}

impl ListeningProcess {
    fn start() -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["process::tests::as_listener", "--exact", "--nocapture"])
            .env(ROLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let lines = output.by_ref().lines().map_while(Result::ok);
        let port = lines.into_iter().find_map(|line| line.strip_prefix("port ")?.parse().ok());
        Self { child, port: port.expect("the child listens"), _output: output }
    }
}

impl Drop for ListeningProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn claim(pid: u32, port: u16) -> Claim {
    Claim { pid, port, host: None, written: SystemTime::now(), elsewhere: false }
}

/// The process holds the port, here.
fn confirmed(address: impl Into<IpAddr>) -> Identity {
    told(Identity::Confirmed { address: Some(address.into()) })
}

/// What is expected where the system tells who holds a port. Every system does, but Wine.
fn told(identity: Identity) -> Identity {
    #[cfg(not(target_os = "linux"))]
    if other::is_wine() {
        return Identity::Plausible { address: None };
    }
    identity
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_process_that_holds_the_port_is_confirmed() {
    let inspector = Inspector::start();
    for address in ["127.0.0.1:0", "0.0.0.0:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let identity = inspector.identify(claim(std::process::id(), port)).await;
        assert_eq!(identity, confirmed(Ipv4Addr::LOCALHOST));
    }
    // Not every machine has IPv6.
    if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        let port = listener.local_addr().unwrap().port();
        let identity = inspector.identify(claim(std::process::id(), port)).await;
        assert_eq!(identity, confirmed(Ipv6Addr::LOCALHOST));
    }
}

/// Another program may have the same port on another address.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_address_is_that_of_the_named_process() {
    let inspector = Inspector::start();
    let stranger = ListeningProcess::start();
    let own = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 3), stranger.port)).unwrap();
    let mut mine = claim(std::process::id(), own.local_addr().unwrap().port());
    // The child is a descendant of this process: only as itself is it a stranger.
    mine.host = Some(own.local_addr().unwrap().ip());
    assert_eq!(inspector.identify(mine).await, confirmed(Ipv4Addr::new(127, 0, 0, 3)));
    mine.host = Some(Ipv4Addr::new(127, 0, 0, 4).into());
    assert_eq!(inspector.identify(mine).await, Identity::NotListening);
    let theirs = claim(stranger.child.id(), stranger.port);
    assert_eq!(inspector.identify(theirs).await, confirmed(Ipv4Addr::LOCALHOST));
}

/// A worker of a cluster names itself, and its parent listens for it.
#[tokio::test]
async fn an_ancestor_may_hold_the_port() {
    let inspector = Inspector::start();
    let worker = ListeningProcess::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let claim = claim(worker.child.id(), listener.local_addr().unwrap().port());
    assert_eq!(inspector.identify(claim).await, confirmed(Ipv4Addr::LOCALHOST));
}

/// Its number means nothing here, but the user of the port does.
#[tokio::test]
async fn another_pid_namespace_is_judged_by_the_connection_alone() {
    let inspector = Inspector::start();
    let listener = ListeningProcess::start();
    let mut claim = claim(u32::MAX, listener.port);
    assert_eq!(inspector.identify(claim).await, Identity::Gone);
    claim.elsewhere = true;
    let identity = inspector.identify(claim).await;
    assert_eq!(identity, told(Identity::Plausible { address: Some(Ipv4Addr::LOCALHOST.into()) }));
    claim.port = free_port();
    assert_eq!(inspector.identify(claim).await, Identity::Plausible { address: None });
}

#[tokio::test]
async fn a_descendant_may_hold_the_port() {
    let inspector = Inspector::start();
    let listener = ListeningProcess::start();
    let expected = confirmed(Ipv4Addr::LOCALHOST);
    for pid in [listener.child.id(), std::process::id()] {
        assert_eq!(inspector.identify(claim(pid, listener.port)).await, expected);
    }
    let tells = matches!(expected, Identity::Confirmed { .. });
    assert_eq!(owner_of_port(None, listener.port), tells.then(|| listener.child.id()));
}

#[test]
fn who_listens_is_told_with_address_and_name() {
    let listener = ListeningProcess::start();
    let found = listeners().into_iter().find(|it| it.port == listener.port);
    if matches!(confirmed(Ipv4Addr::LOCALHOST), Identity::Plausible { .. }) {
        assert_eq!(found, None);
        return;
    }
    let found = found.unwrap();
    assert_eq!((found.pid, found.address), (listener.child.id(), Ipv4Addr::LOCALHOST.into()));
    assert!(found.name.starts_with("brummer_hub"), "{found:?}");
}

#[tokio::test]
async fn a_port_of_another_process_is_seen() {
    let inspector = Inspector::start();
    let (one, other) = (ListeningProcess::start(), ListeningProcess::start());
    let identity = inspector.identify(claim(one.child.id(), other.port)).await;
    assert_eq!(identity, told(Identity::PortTaken { owner: other.child.id() }));
}

#[tokio::test]
async fn a_port_without_a_listener_is_never_confirmed() {
    let inspector = Inspector::start();
    let expected = told(Identity::NotListening);
    assert_eq!(inspector.identify(claim(std::process::id(), free_port())).await, expected);
    assert_eq!(owner_of_port(None, free_port()), None);
}

#[tokio::test]
async fn a_process_younger_than_the_file_did_not_write_it_unless_it_holds_the_port() {
    let inspector = Inspector::start();
    let listener = ListeningProcess::start();
    let mut claim = claim(listener.child.id(), free_port());
    claim.written -= Duration::from_secs(3600);
    assert_eq!(inspector.identify(claim).await, Identity::Reused);
    // The clock of a virtual machine that went on says the same of every process.
    claim.port = listener.port;
    let expected = match confirmed(Ipv4Addr::LOCALHOST) {
        Identity::Plausible { .. } => Identity::Reused,
        confirmed => confirmed,
    };
    assert_eq!(inspector.identify(claim).await, expected);
}

#[tokio::test]
async fn a_process_that_has_ended_is_gone() {
    let inspector = Inspector::start();
    let mut listener = ListeningProcess::start();
    let (pid, port) = (listener.child.id(), listener.port);
    listener.child.kill().unwrap();
    // Not yet collected: on Unix it is a zombie from here on.
    tokio::time::timeout(PATIENCE, exited(pid, CancellationToken::new())).await.expect("noticed in time");
    assert_eq!(inspector.identify(claim(pid, port)).await, Identity::Gone);
    listener.child.wait().unwrap();
    assert_eq!(inspector.identify(claim(pid, port)).await, Identity::Gone);
    tokio::time::timeout(PATIENCE, exited(pid, CancellationToken::new())).await.expect("nothing to wait for");
}

#[tokio::test]
async fn the_end_of_a_process_is_noticed_and_not_before() {
    let mut listener = ListeningProcess::start();
    let stop = CancellationToken::new();
    let waiting = tokio::spawn(exited(listener.child.id(), stop.clone()));
    let living = tokio::spawn(exited(std::process::id(), stop.clone()));
    drop(listener.child.stdin.take());
    tokio::time::timeout(PATIENCE, waiting).await.expect("noticed in time").unwrap();
    assert!(!living.is_finished());
    stop.cancel();
    tokio::time::timeout(PATIENCE, living).await.expect("stopped in time").unwrap();
}

#[tokio::test]
async fn many_claims_at_once_are_all_answered() {
    let inspector = Inspector::start();
    let listeners: Vec<_> = (0..100).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports = listeners.iter().map(|listener| listener.local_addr().unwrap().port());
    let mut claims: Vec<Claim> = ports.map(|port| claim(std::process::id(), port)).collect();
    // More than the queue holds.
    claims = claims.iter().copied().cycle().take(CLAIMS * 2).collect();
    let answers = join_all(claims.into_iter().map(|claim| inspector.identify(claim))).await;
    let expected = confirmed(Ipv4Addr::LOCALHOST);
    assert_eq!(answers.iter().filter(|answer| **answer != expected).count(), 0);
}

/// A system in which everything is as written here.
#[derive(Default)]
struct Written {
    started: HashMap<u32, Option<SystemTime>>,
    holders: HashMap<u16, Holder>,
}

impl View for Written {
    fn process(&mut self, pid: u32) -> Option<Process> {
        self.started.get(&pid).map(|&started| Process { started })
    }
    fn holder(&mut self, _pid: Option<u32>, port: u16, _host: Option<IpAddr>) -> Holder {
        self.holders[&port]
    }
}

#[test]
fn a_claim_is_judged_by_life_then_port_then_age() {
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let second = Duration::from_secs(1);
    let mut view = Written::default();
    let ages = [Some(written - second), Some(written + 2 * second), Some(written + 3 * second), None];
    view.started.extend((1..).zip(ages));
    let holders = [
        Holder::Claimant { address: None },
        Holder::Other(9),
        Holder::Nobody,
        Holder::Hidden { address: None },
        Holder::Unknown,
        Holder::OtherUser(User::Number(5)),
    ];
    view.holders.extend((1..).zip(holders));
    let mut judge =
        |pid, port, elsewhere| Claim { pid, port, host: None, written, elsewhere }.judge(&mut view);
    let (confirmed, plausible) =
        (Identity::Confirmed { address: None }, Identity::Plausible { address: None });
    let foreign = Identity::OtherUser(User::Number(5));
    for port in 1..=6 {
        assert_eq!(judge(9, port, false), Identity::Gone);
    }
    // Of any age: who holds the port weighs more.
    for pid in 1..=4 {
        assert_eq!(judge(pid, 1, false), confirmed);
        assert_eq!(judge(pid, 4, false), plausible);
        assert_eq!(judge(pid, 6, false), foreign);
    }
    // Two seconds are within the slack; of a process of unknown age nothing is said.
    for pid in [1, 2, 4] {
        assert_eq!(judge(pid, 2, false), Identity::PortTaken { owner: 9 });
        assert_eq!(judge(pid, 3, false), Identity::NotListening);
        assert_eq!(judge(pid, 5, false), plausible);
    }
    for port in [2, 3, 5] {
        assert_eq!(judge(3, port, false), Identity::Reused);
    }
    // In another namespace only the connection and its user count.
    for port in 1..=5 {
        assert_eq!(judge(9, port, true), plausible);
    }
    assert_eq!(judge(9, 6, true), foreign);
}

#[test]
fn processes_of_another_namespace_are_not_judged() {
    let (initial, container) = (Some(super::INITIAL_NAMESPACE), Some(4_026_532_000));
    assert!(super::same_namespace(initial, initial) && super::same_namespace(None, initial));
    assert!(super::same_namespace(container, container));
    assert!(!super::same_namespace(container, initial) && !super::same_namespace(None, container));
    assert!(super::same_namespace(None, None), "systems without namespaces");
}
