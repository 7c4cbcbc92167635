use serde_json::{Value, json};

use super::*;

const A: ClientKey = ClientKey(1);
const B: ClientKey = ClientKey(2);
const WELCOME: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"logging":{}}}"#;

struct PlayedMux {
    mux: Mux,
    now: Instant,
    tickets: u64,
}

impl PlayedMux {
    fn new(inventory: Option<Inventory>) -> Self {
        let rules = Rules {
            sharing: Sharing::Shared,
            idle: Some(Duration::from_secs(60)),
            start: Duration::from_secs(30),
            name: "memory".into(),
        };
        Self { mux: Mux::new(rules, inventory), now: Instant::now(), tickets: 0 }
    }

    fn known() -> Self {
        let mut inventory = Inventory::new(WELCOME).unwrap();
        inventory.replace(OfferedList::Tools, r#"{"name":"old"}"#);
        Self::new(Some(inventory))
    }

    fn ask(&mut self, client: ClientKey, method: &str, params: &Value) -> Vec<Effect> {
        self.tickets += 1;
        let value = json!({"jsonrpc": "2.0", "id": self.tickets, "method": method, "params": params});
        let frame = Frame::parse(value.to_string()).unwrap();
        self.mux.on(Event::Request { client, ticket: MuxTicket(self.tickets), frame }, self.now)
    }

    fn open(&mut self, client: ClientKey) -> Vec<Effect> {
        self.ask(client, "initialize", &json!({"protocolVersion": "2025-11-25", "capabilities": {}}))
    }

    fn say(&mut self, value: &Value) -> Vec<Effect> {
        let frame = Frame::parse(value.to_string()).unwrap();
        self.mux.on(Event::Line { life: self.mux.life, frame }, self.now)
    }

    fn end(&mut self, is_hopeless: bool) -> Vec<Effect> {
        let ending = Ending { why: "exit code 3".to_owned(), is_hopeless, last_words: "oh".to_owned() };
        self.mux.on(Event::Ended { life: self.mux.life, ending }, self.now)
    }

    /// Answers the handshake, which has the number 1, and the lists that are then asked for.
    fn serve(&mut self) {
        let number = self.mux.numbers;
        self.say(&json!({"jsonrpc": "2.0", "id": number,
            "result": serde_json::from_str::<Value>(WELCOME).unwrap()}));
        assert!(matches!(self.mux.phase(), ProcessPhase::Running { .. }));
    }
}

fn answers(effects: &[Effect]) -> Vec<Value> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Answer(_, parts) => Some(serde_json::from_slice(&parts.clone().join()).unwrap()),
        _ => None,
    });
    answers.collect()
}

fn starts(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Start(_)))
}

#[test]
fn what_was_kept_is_told_without_a_process_and_marked() {
    let mut stage = PlayedMux::known();
    let opened = stage.open(A);
    assert!(!starts(&opened));
    assert_eq!(answers(&opened)[0]["result"]["capabilities"]["tools"]["listChanged"], true);
    let listed = stage.ask(A, "tools/list", &json!({}));
    assert!(!starts(&listed));
    let result = &answers(&listed)[0]["result"];
    assert_eq!(*result, json!({"tools": [{"name": "old"}], "_meta": {"brummer-hub/stale": true}}));
    assert_eq!(answers(&stage.ask(A, "prompts/list", &json!({})))[0]["error"]["code"], -32601);
    assert_eq!(answers(&stage.ask(A, "ping", &json!({})))[0]["result"], json!({}));
    assert!(starts(&stage.ask(A, "tools/call", &json!({"name": "old"}))));
}

#[test]
fn a_list_that_turns_out_to_be_old_is_announced() {
    let mut stage = PlayedMux::known();
    stage.open(A);
    stage.ask(A, "tools/call", &json!({"name": "old"}));
    stage.serve();
    let effects = stage
        .say(&json!({"jsonrpc": "2.0", "id": stage.mux.numbers, "result": {"tools": [{"name": "new"}]}}));
    let told = effects.iter().any(|effect| matches!(effect, Effect::Notify(client, _) if *client == A));
    assert!(told && effects.iter().any(|effect| matches!(effect, Effect::Keep)), "{effects:?}");
}

#[test]
fn without_anything_kept_the_first_client_starts_it_and_waits() {
    let mut stage = PlayedMux::new(None);
    assert!(starts(&stage.mux.on(Event::Learn, stage.now)));
    assert!(answers(&stage.open(A)).is_empty());
    let effects = stage.say(&json!({"jsonrpc": "2.0", "id": 1,
        "result": serde_json::from_str::<Value>(WELCOME).unwrap()}));
    assert_eq!(answers(&effects)[0]["result"]["protocolVersion"], "2025-11-25");
}

#[test]
fn without_a_client_it_is_started_once_to_learn_what_it_offers() {
    for is_mute in [false, true] {
        let mut stage = PlayedMux::new(None);
        assert!(starts(&stage.mux.on(Event::Learn, stage.now)));
        // The client that it was started for goes before it has answered.
        stage.open(A);
        stage.mux.on(Event::Closed(A), stage.now);
        if is_mute {
            stage.now = stage.mux.deadline().unwrap();
            let effects = stage.mux.on(Event::Tick, stage.now);
            assert!(effects.iter().any(|effect| matches!(effect, Effect::Stop(_))), "{effects:?}");
        }
        assert!(!starts(&stage.end(false)));
        assert_eq!(stage.mux.deadline(), None, "nobody waits");
        stage.now += Duration::from_secs(600);
        assert!(!starts(&stage.mux.on(Event::Tick, stage.now)));
        assert!(starts(&stage.open(B)), "the next client starts it");
    }
}

#[test]
fn a_crash_fails_what_ran_and_what_waits_goes_to_the_next_life() {
    let mut stage = PlayedMux::known();
    stage.open(A);
    stage.ask(A, "tools/call", &json!({"name": "a"}));
    stage.serve();
    let effects = stage.end(false);
    let failed = &answers(&effects)[0]["result"];
    assert_eq!(failed["_meta"]["brummer-hub/failure"], json!({"reason": "ended", "sent": "yes"}));
    assert_eq!(failed["isError"], true, "{failed}");
    let text = failed["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("`memory` ended") && text.contains("exit code 3") && text.contains("oh"), "{text}");
    // Not at once: it may crash again.
    assert!(!starts(&stage.ask(A, "tools/call", &json!({"name": "b"}))));
    let deadline = stage.mux.deadline().unwrap();
    stage.now = deadline;
    assert!(starts(&stage.mux.on(Event::Tick, deadline)));
}

#[test]
fn what_cannot_be_started_is_said_after_some_attempts_and_at_once_if_it_is_hopeless() {
    for is_hopeless in [false, true] {
        let mut stage = PlayedMux::known();
        stage.open(A);
        assert!(starts(&stage.ask(A, "tools/call", &json!({"name": "a"}))));
        let mut attempts = 1;
        let failed = loop {
            if let Some(answer) = answers(&stage.end(is_hopeless)).pop() {
                break answer["result"].clone();
            }
            stage.now = stage.mux.deadline().unwrap();
            assert!(starts(&stage.mux.on(Event::Tick, stage.now)));
            attempts += 1;
        };
        assert_eq!(attempts, if is_hopeless { 1 } else { MAX_FAILURES });
        assert_eq!(failed["_meta"]["brummer-hub/failure"], json!({"reason": "not_started", "sent": "no"}));
        let text = failed["content"][0]["text"].as_str().unwrap();
        assert!(failed["isError"] == true && text.contains("cannot be started"), "{failed}");
    }
}

#[test]
fn a_server_without_a_handshake_is_refused_in_words() {
    let mut stage = PlayedMux::known();
    stage.open(A);
    stage.ask(A, "tools/call", &json!({"name": "a"}));
    for _ in 0..MAX_FAILURES {
        let number = stage.mux.numbers;
        let error = json!({"code": -32022, "message": "unsupported"});
        let effects = stage.say(&json!({"jsonrpc": "2.0", "id": number, "error": error}));
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Stop(_))));
        let answered = answers(&stage.end(false));
        if let Some(answer) = answered.first() {
            let text = answer["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("refused `initialize` (unsupported)"), "{text}");
            return;
        }
        stage.now = stage.mux.deadline().unwrap();
        stage.mux.on(Event::Tick, stage.now);
    }
    panic!("it was never said");
}

#[test]
fn it_is_ended_when_nobody_needs_it_and_not_while_somebody_is_subscribed() {
    let mut stage = PlayedMux::known();
    stage.open(A);
    stage.ask(A, "resources/subscribe", &json!({"uri": "test://a"}));
    stage.serve();
    for number in 1..=stage.mux.numbers {
        stage.say(&json!({"jsonrpc": "2.0", "id": number, "result": {"tools": []}}));
    }
    assert_eq!(stage.mux.deadline(), None, "subscribed");
    stage.mux.on(Event::Closed(A), stage.now);
    let number = stage.mux.numbers;
    stage.say(&json!({"jsonrpc": "2.0", "id": number, "result": {}}));
    assert_eq!(stage.mux.deadline(), Some(stage.now + Duration::from_secs(60)));
    stage.now += Duration::from_secs(60);
    let effects = stage.mux.on(Event::Tick, stage.now);
    assert!(matches!(effects[..], [Effect::Stop(_)]), "{effects:?}");
    // Whoever comes now gets the next life, without having to wait out a failure.
    stage.open(B);
    assert!(!starts(&stage.ask(B, "tools/call", &json!({"name": "a"}))));
    assert!(starts(&stage.end(false)));
}

#[test]
fn log_messages_go_to_those_who_want_their_level() {
    let mut stage = PlayedMux::known();
    stage.open(A);
    stage.open(B);
    stage.ask(A, "tools/call", &json!({"name": "a"}));
    stage.ask(B, "tools/call", &json!({"name": "a"}));
    stage.serve();
    stage.ask(A, "logging/setLevel", &json!({"level": "debug"}));
    let heard = |stage: &mut PlayedMux, level: &str| {
        let value = json!({"jsonrpc": "2.0", "method": "notifications/message",
            "params": {"level": level, "data": "x"}});
        stage.say(&value).len()
    };
    assert_eq!(heard(&mut stage, "debug"), 1, "B has not asked for that");
    assert_eq!(heard(&mut stage, "info"), 2);
}

#[test]
fn more_than_it_can_take_is_refused() {
    let mut stage = PlayedMux::known();
    stage.open(A);
    let large = "x".repeat(MAX_HELD / 2 + 1);
    for expected in [0, 1] {
        let effects = stage.ask(A, "tools/call", &json!({"name": "a", "arguments": {"x": large}}));
        assert_eq!(answers(&effects).len(), expected);
    }
    assert_eq!(
        answers(&stage.ask(A, "tools/call", &json!({"x": large})))[0]["result"]["_meta"]["brummer-hub/failure"]
            ["reason"],
        "busy"
    );
    // What is no call of a tool, or is to be a task, is answered with an error.
    for (method, params) in
        [("prompts/get", json!({"x": large})), ("tools/call", json!({"task": {}, "x": large}))]
    {
        assert_eq!(answers(&stage.ask(A, method, &params))[0]["error"]["data"]["reason"], "busy", "{method}");
    }
}

/// Two clients that can be asked, and a process that serves.
fn shared() -> PlayedMux {
    let mut stage = PlayedMux::known();
    for client in [A, B] {
        stage.ask(client, "initialize", &json!({"capabilities": {"sampling": {}}}));
    }
    stage.ask(A, "tools/call", &json!({"name": "old"}));
    stage.serve();
    stage
}

fn written(effects: &[Effect]) -> Vec<Value> {
    let written = effects.iter().filter_map(|effect| match effect {
        Effect::Write(_, parts) => Some(serde_json::from_slice(&parts.clone().join()).unwrap()),
        _ => None,
    });
    written.collect()
}

fn sampling(id: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "sampling/createMessage", "params": {}})
}

fn is_told(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Tell(..) | Effect::Notify(..)))
}

#[test]
fn what_is_asked_for_a_cancelled_call_reaches_no_other_client() {
    let mut stage = shared();
    let asked = stage.tickets;
    stage.ask(B, "tools/call", &json!({"name": "old"}));
    let effects = stage.mux.on(Event::Abandoned(MuxTicket(asked)), stage.now);
    let number = written(&effects)[0]["params"]["requestId"].clone();
    let effects = stage.say(&sampling("q1"));
    assert!(!is_told(&effects), "{effects:?}");
    assert_eq!(written(&effects)[0]["error"]["code"], -32600);
    // Its late answer says that it is over.
    let mut other = shared();
    let asked = other.tickets;
    other.ask(B, "tools/call", &json!({"name": "old"}));
    other.mux.on(Event::Abandoned(MuxTicket(asked)), other.now);
    other.say(&json!({"jsonrpc": "2.0", "id": number, "result": {}}));
    assert!(is_told(&other.say(&sampling("q2"))));
    // Some never answer it.
    stage.now += AFTERMATH;
    assert!(is_told(&stage.say(&sampling("q3"))));
}

#[test]
fn a_question_ends_with_the_call_that_it_belongs_to() {
    let mut stage = shared();
    assert!(is_told(&stage.say(&sampling("q1"))));
    let effects = stage.mux.on(Event::Abandoned(MuxTicket(stage.tickets)), stage.now);
    assert!(written(&effects).iter().any(|it| it["id"] == "q1" && it["error"].is_object()), "{effects:?}");
    assert!(is_told(&effects), "the client is told that nobody wants to know any more");
    assert!(stage.mux.questions.is_empty());
}

#[test]
fn only_what_is_below_a_resource_is_told_of_it() {
    for (uri, above, below) in [
        ("x://a", "x://a", true),
        ("x://a/b", "x://a", true),
        ("x://a?q", "x://a", true),
        ("x://a/b", "x://a/", true),
        ("x://b", "x://", true),
        ("x://abc", "x://a", false),
        ("x://a", "x://a/b", false),
    ] {
        assert_eq!(is_below(uri, above), below, "{uri} {above}");
    }
}
