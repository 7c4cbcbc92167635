//! Many instances at once, and many one after the other.

use serde_json::json;

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, is_wine};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_instances_are_all_active_and_each_can_be_called() {
    // Wine's server goes through all sockets of the machine for each event of one: three hundred take it minutes.
    let wanted = if is_wine() { 60 } else { 300 };
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let mut ids = Vec::new();
    for number in 0..wanted {
        let fake = Fake::start(Behaviour::default()).await;
        ids.push(home.announce(&format!("many-{number}"), fake.port));
    }
    let all_active =
        |list: &[serde_json::Value]| list.iter().filter(|it| it["state"] == "active").count() == wanted;
    hub.instances_until("all are active", all_active).await;
    let mut calls = Vec::new();
    for id in &ids {
        let arguments = json!({ "instance_id": id, "tool": "echo", "arguments": { "message": id } });
        calls.push(hub.ask("tools/call", json!({ "name": "instances_call", "arguments": arguments })).await);
    }
    for (call, id) in calls.iter().zip(&ids) {
        assert_eq!(hub.answer(call).await.text(), *id);
    }
    for id in &ids {
        assert!(home.file(id).exists(), "{id}");
    }
    hub.end_quietly().await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_starts_and_kills_leave_nothing_behind() {
    use crate::support::Instance;

    /// Processes that run at the same time.
    const AT_ONCE: usize = 80;
    /// Rounds after which everything that is allocated once has been.
    const WARM_UP: usize = 5;

    // Two thousand of them find no more, but seldom.
    let rounds = if std::env::var_os("BRUMMER_ALL_TESTS").is_some() { 25 } else { 10 };
    let home = Home::new();
    let hub = Hub::start(&home, HubOptions::default()).await;
    let mut before = None;
    for round in 0..rounds {
        if round == WARM_UP {
            before = Some(Usage::settled(hub.pid(), None).await);
        }
        let starting = (0..AT_ONCE).map(|number| {
            let home = &home;
            async move { Instance::fake(home, &format!("churn-{number}")).await }
        });
        let instances = futures_util::future::join_all(starting).await;
        let active =
            |list: &[serde_json::Value]| list.iter().filter(|it| it["state"] == "active").count() == AT_ONCE;
        hub.instances_until(&format!("round {round} is active"), active).await;
        let killing = instances.into_iter().map(|mut instance| async move { instance.kill().await });
        futures_util::future::join_all(killing).await;
        hub.instances_until(&format!("round {round} is gone"), <[_]>::is_empty).await;
    }
    let before = before.unwrap();
    let after = Usage::settled(hub.pid(), Some(&before)).await;
    assert!(after.descriptors <= before.descriptors, "descriptors: {before:?}, {after:?}");
    assert!(after.threads <= before.threads + 1, "threads: {before:?}, {after:?}");
    assert!(after.resident_kib <= before.resident_kib + 8 * 1024, "memory: {before:?}, {after:?}");
    // A port that another process has got by then is a doubt: its file goes when the hub looks at it again.
    for left in std::fs::read_dir(home.data().join("instances")).unwrap() {
        crate::support::removed(&left.unwrap().path()).await;
    }
    hub.end_quietly().await;
}

/// What a process holds.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Usage {
    descriptors: usize,
    threads: usize,
    resident_kib: usize,
}

#[cfg(target_os = "linux")]
impl Usage {
    fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
            threads: number("Threads:"),
            resident_kib: number("VmRSS:"),
        }
    }

    /// The usage when it no longer falls, or as soon as it is no more than a wanted one: closing takes the hub a moment
    /// after its list is empty, and threads for files end when they were idle. The system tells nobody when another
    /// process closes a descriptor or ends a thread, so there is nothing to wait for, only to look at.
    async fn settled(pid: u32, wanted: Option<&Self>) -> Self {
        let mut usage = Self::of(pid);
        for _ in 0..100 {
            if wanted.is_some_and(|wanted| {
                usage.descriptors <= wanted.descriptors && usage.threads <= wanted.threads
            }) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let next = Self::of(pid);
            if wanted.is_none() && next.descriptors >= usage.descriptors && next.threads >= usage.threads {
                break;
            }
            usage = next;
        }
        usage
    }
}
