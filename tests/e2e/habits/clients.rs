//! The two clients of a cell: a plain one of the official SDK, and one of the hub.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin},
    sync::{mpsc, watch},
};

use super::{
    Cell, endpoint,
    messages::Message,
    verdict::{Outcome, Outcomes},
};
use crate::support::{
    Home, Hub, HubOptions, Line, Node, expect,
    script::{Scripted, Transport},
};

/// The official SDK's client: one process for all servers.
pub(crate) struct Direct {
    asked: mpsc::Sender<String>,
    answers: watch::Receiver<Vec<(String, Outcomes)>>,
    _child: Child,
}

impl Direct {
    pub(crate) fn start(node: Node) -> Self {
        let mut command = node.script("habits.mjs");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut stdin: ChildStdin = child.stdin.take().unwrap();
        let (asked, mut to_ask) = mpsc::channel::<String>(64);
        tokio::spawn(async move {
            while let Some(line) = to_ask.recv().await {
                stdin.write_all(line.as_bytes()).await.unwrap();
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, answers) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut line: Value = serde_json::from_str(&line).unwrap();
                let id = line["id"].as_str().unwrap().to_owned();
                let outcomes = serde_json::from_value(line["outcomes"].take()).unwrap();
                let outcomes: Outcomes = Outcomes::map(outcomes, Outcome::told);
                sender.send_modify(|all| all.push((id, outcomes)));
            }
        });
        Self { asked, answers, _child: child }
    }

    /// What a client gets from a server.
    pub(crate) async fn outcomes(&self, id: &str, server: &Scripted, cell: &Cell) -> Outcomes {
        let url = format!("http://127.0.0.1:{}{}", server.port, endpoint(cell.transport));
        let is_modern = cell.transport == Transport::Modern;
        let line = json!({ "id": id, "url": url, "message": cell.message.name, "modern": is_modern });
        self.asked.send(format!("{line}\n")).await.unwrap();
        let mut answers = self.answers.clone();
        let answers = expect(id, answers.wait_for(|all| all.iter().any(|(it, _)| it == id))).await;
        let answers = answers.expect("the client in Node runs");
        answers.iter().find(|(it, _)| it == id).expect("it was just there").1.clone()
    }
}

/// What a client of the hub may take for a step: more than the time-outs below, on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(30);

/// How long a notification is waited for that need not come.
const HEARD: Duration = Duration::from_secs(2);

/// What a client of the hub gets from a server. `opens`: whether another client could open a conversation; if not, the
/// first failure counts.
pub(crate) async fn through(server: &Scripted, endpoint: &str, message: Message, opens: bool) -> Outcomes {
    let home = Home::new();
    let doorbell = home.doorbell("habit", server.port).with("endpoint", endpoint);
    doorbell.write(&home.data());
    let options =
        HubOptions::args(&["--no-auto-connect", "--call-timeout", "4s", "--handshake-timeout", "8s"])
            .capabilities(json!({ "roots": { "listChanged": true } }));
    let hub = Hub::start(&home, options).await;
    hub.forgive();
    let outcomes = client(&hub, server, &doorbell.id, message, opens).await;
    let ended = tokio::time::timeout(LIMIT, hub.end()).await;
    let [opening, mut step, after] = outcomes;
    if message.name == "DELETE" && opening.is_reached() {
        let well = ended.is_ok_and(|exit| exit.status.success());
        step = if well { Outcome::Result { result: json!({}) } } else { Outcome::word("no end") };
    }
    [opening, step, after]
}

async fn client(hub: &Hub, server: &Scripted, id: &str, message: Message, opens: bool) -> Outcomes {
    let not_reached = || Outcome::word("-");
    let failed = tokio::time::timeout(
        LIMIT,
        hub.instances_until("it has been tried", |list| {
            let state = list.iter().find(|it| it["id"] == id).map(|it| it["state"].clone());
            state.is_some_and(|state| state == "active" || !opens && state == "retrying")
        }),
    )
    .await;
    if failed.is_err() {
        return [Outcome::word("never active"), not_reached(), not_reached()];
    }
    let connected = hub.call("instances_connect", json!({ "instance_id": id })).await.ok();
    if connected["isError"] == true {
        let text = connected["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        return [Outcome::Error { error: (0.0, text) }, not_reached(), not_reached()];
    }
    let opened = Outcome::Result { result: json!({}) };
    let stepped = match tokio::time::timeout(LIMIT, step(hub, server, message)).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::word("never"),
    };
    let after = match tokio::time::timeout(LIMIT, hub.call("echo", json!({ "text": "after" }))).await {
        Ok(line) => outcome(&line),
        Err(_) => Outcome::word("never"),
    };
    [opened, stepped, after]
}

async fn step(hub: &Hub, server: &Scripted, message: Message) -> Outcome {
    let uri = json!({ "uri": "plain://one" });
    let request = async |params: Value| outcome(&hub.request(message.name, params).await);
    match message.name {
        "server/discover"
        | "initialize"
        | "notifications/initialized"
        | "tools/call"
        | "subscriptions/listen" => outcome(&hub.call("echo", json!({ "text": "step" })).await),
        "GET" => {
            let mark = hub.mark();
            let called = outcome(&hub.call("echo", json!({ "text": "step" })).await);
            if !matches!(called, Outcome::Result { .. }) {
                return called;
            }
            let heard = hub.line(mark, "the notification", |line| {
                line.notifies("notifications/message") && line.params()["data"] == "on the stream"
            });
            let heard = tokio::time::timeout(HEARD, heard).await.is_ok();
            Outcome::Result { result: json!({ "heard": heard }) }
        }
        "resources/read" | "resources/subscribe" => request(uri).await,
        "resources/unsubscribe" => {
            let subscribed = outcome(&hub.request("resources/subscribe", uri.clone()).await);
            if !matches!(subscribed, Outcome::Result { .. }) {
                return subscribed;
            }
            request(uri).await
        }
        "prompts/get" => request(json!({ "name": "greet", "arguments": { "whom": "Ada" } })).await,
        "completion/complete" => {
            let what = json!({ "type": "ref/prompt", "name": "greet" });
            request(json!({ "ref": what, "argument": { "name": "whom", "value": "A" } })).await
        }
        "logging/setLevel" => request(json!({ "level": "info" })).await,
        "notifications/roots/list_changed" => {
            hub.notify(message.name, Value::Null).await;
            Outcome::Result { result: json!({}) }
        }
        "notifications/cancelled" => {
            let call = hub.ask("tools/call", json!({ "name": "hang", "arguments": {} })).await;
            server.saw("the call", |asked| asked.message["params"]["name"] == "hang").await;
            let id: u64 = call.parse().unwrap();
            hub.notify(message.name, json!({ "requestId": id })).await;
            Outcome::Result { result: json!({}) }
        }
        "a response" => {
            let mark = hub.mark();
            let call = hub.ask("tools/call", json!({ "name": "ask", "arguments": { "text": "step" } })).await;
            let question = hub.server_request(mark, "roots/list").await;
            hub.reply(&question, json!({ "roots": [{ "uri": "file:///here" }] })).await;
            outcome(&hub.answer(&call).await)
        }
        // It comes when the hub ends.
        "DELETE" => Outcome::Result { result: json!({}) },
        _ => request(Value::Null).await,
    }
}

/// What an answer of the hub is, without what is the hub's own.
fn outcome(line: &Line) -> Outcome {
    if let Some(result) = &line.result {
        let mut result: Value = serde_json::from_str(result).unwrap_or_else(|_| json!("unreadable"));
        // A call that failed on the way is a result for the model, and says so in the hub's own words.
        if result.pointer("/_meta/brummer-hub~1failure").is_some() {
            let text = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
            return Outcome::Error { error: (-32603.0, text) };
        }
        for (list, key, own) in [("tools", "name", "instances_"), ("resources", "uri", "brummer://")] {
            if let Some(items) = result.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !item[key].as_str().is_some_and(|text| text.starts_with(own)));
            }
        }
        return Outcome::Result { result }.told();
    }
    let error: Value =
        line.error.as_deref().and_then(|error| serde_json::from_str(error).ok()).unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default().to_owned();
    Outcome::Error { error: (error["code"].as_f64().unwrap_or_default(), message) }
}
