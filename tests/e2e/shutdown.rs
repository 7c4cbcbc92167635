//! How the hub ends: promptly, with its answers written and its sessions closed.

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions, Instance};

async fn connected(home: &Home) -> (Hub, Fake) {
    let fake = Fake::start(Behaviour::default()).await;
    let id = home.announce("ending", fake.port);
    let hub = Hub::start(home, HubOptions::default()).await;
    hub.connect(&id).await;
    hub.call("echo", json!({})).await.text();
    (hub, fake)
}

/// Every session that was opened has been deleted.
fn all_deleted(fake: &Fake) {
    let seen = fake.seen();
    let opened = seen.iter().filter(|it| it.method() == "initialize");
    for session in opened.map(|it| it.session.clone()) {
        let deleted = seen.iter().any(|it| it.verb == "DELETE" && it.session == session);
        assert!(deleted, "{session:?} was not deleted");
    }
}

#[tokio::test]
async fn the_end_of_input_ends_it_with_success_and_closes_the_sessions() {
    let home = Home::new();
    let (hub, fake) = connected(&home).await;
    hub.end_quietly().await;
    all_deleted(&fake);
}

#[tokio::test]
async fn requests_that_were_piped_in_are_answered_before_the_end() {
    let home = Home::new();
    let instance = Instance::rmcp(&home, "piped").await;
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&instance.id).await;
    let slow =
        hub.ask("tools/call", json!({ "name": "slow", "arguments": { "steps": 3, "step_ms": 50 } })).await;
    let mut pings = Vec::new();
    for _ in 0..100 {
        pings.push(hub.ask("ping", Value::Null).await);
    }
    let exit = hub.end().await;
    assert!(exit.status.success(), "{exit:?}");
    for id in pings.iter().chain([&slow]) {
        assert!(
            exit.lines.iter().any(|line| line.answers(id) && line.result.is_some()),
            "request {id}: {exit:?}"
        );
    }
}

#[tokio::test]
async fn a_last_line_without_its_end_is_a_line() {
    let home = Home::new();
    let hub = Hub::spawn(&home, &HubOptions::default());
    hub.write(r#"{"jsonrpc":"2.0","id":"last","method":"ping"}"#).await;
    let exit = hub.end().await;
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.lines.iter().any(|line| line.answers("\"last\"") && line.result.is_some()), "{exit:?}");
}

#[tokio::test]
async fn a_call_that_hangs_is_cancelled_at_the_end_of_input_and_hinders_nothing() {
    let home = Home::new();
    let (hub, fake) = connected(&home).await;
    hub.ask("tools/call", json!({ "name": "hang" })).await;
    fake.saw("the call", |seen| seen.message["params"]["name"] == "hang").await;
    let exit = hub.end().await;
    assert!(exit.status.success(), "{exit:?}");
    fake.saw("the cancellation", |seen| seen.method() == "notifications/cancelled").await;
    all_deleted(&fake);
}

#[tokio::test]
async fn an_instance_that_hangs_does_not_hinder_the_end() {
    let home = Home::new();
    let behaviour = Behaviour::default().raw(|seen| async move {
        // It is fine until it shall let go.
        if seen.verb == "DELETE" {
            return Some(crate::support::Answer::Never);
        }
        None
    });
    let fake = Fake::start(behaviour).await;
    let id = home.announce("clinging", fake.port);
    let hub = Hub::start(&home, HubOptions::default()).await;
    hub.connect(&id).await;
    assert!(hub.end().await.status.success());
}

#[cfg(unix)]
#[tokio::test]
async fn signals_end_it_with_its_sessions_closed() {
    use rustix::process::Signal;
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::new();
        let (hub, fake) = connected(&home).await;
        hub.ask("tools/call", json!({ "name": "hang" })).await;
        fake.saw("the call", |seen| seen.message["params"]["name"] == "hang").await;
        crate::support::signal(hub.pid(), signal);
        let exit = hub.exit().await;
        // It ended by itself, not by the signal's default.
        assert!(exit.status.code().is_some(), "{exit:?}");
        assert_eq!(exit.stderr, "", "{signal:?}");
        all_deleted(&fake);
    }
}

#[tokio::test]
async fn a_closed_stdout_ends_it() {
    let home = Home::new();
    let fake = Fake::start(Behaviour::default()).await;
    home.announce("unheard", fake.port);
    let mut command = HubOptions::default().command(&home);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // The input stays open; what it says has nowhere to go.
    use tokio::io::AsyncWriteExt as _;
    stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").await.unwrap();
    stdin.flush().await.unwrap();
    let status = crate::support::expect("the hub ends", child.wait()).await.unwrap();
    assert!(status.code().is_some(), "{status:?}");
    drop(stdin);
}

#[tokio::test]
async fn a_client_that_reads_nothing_for_a_while_loses_nothing() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let home = Home::new();
    let mut child = HubOptions::default().command(&home).spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(stdout).lines();
    let call = |id: usize| {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"instances_list\"}}}}\n"
        )
    };
    // Until the hub has looked once, calls wait, of which there may be only so many at a time.
    stdin.write_all(call(0).as_bytes()).await.unwrap();
    let first = crate::support::expect("the first answer", lines.next_line()).await.unwrap();
    assert!(first.unwrap().contains("\"result\""));
    // More answers than any pipe holds.
    let asked = 5_000;
    let writer = tokio::spawn(async move {
        for id in 1..=asked {
            stdin.write_all(call(id).as_bytes()).await.unwrap();
        }
    });
    let mut answered = 0;
    while let Some(line) = crate::support::expect("an answer", lines.next_line()).await.unwrap() {
        answered += usize::from(line.contains("\"result\""));
    }
    writer.await.unwrap();
    assert_eq!(answered, asked);
    assert!(child.wait().await.unwrap().success());
}
