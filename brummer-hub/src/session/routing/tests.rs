//! Where requests go, as a table: what is asked, what is known, where it goes.

use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::hub::tests::{instance, snapshot};

const BUDGET: usize = 32;

/// Too long to be listed whole behind an alias.
const LONG: &str = "a_name_that_is_cut_when_it_is_listed";

/// How it is listed: this must not change between versions.
const CUT: &str = "api__a_name_that_is_cut_w_718c70";

/// What is known when a request is routed.
#[derive(Clone, Copy)]
struct Known {
    /// The aliases of what is connected; of all that is active if tools are listed with their alias in front.
    view: &'static [&'static str],
    prefixed: bool,
    /// The lists of tools and prompts that are there.
    listed: &'static [&'static str],
    /// What the session would be connected to.
    missing: bool,
    waited: bool,
    /// It has not waited yet for an instance to come up.
    patient: bool,
    /// What takes the place of what is missing is about to answer.
    restarts: bool,
}

/// Nothing is connected, and all lists are there.
const ALONE: Known = Known {
    view: &[],
    prefixed: false,
    listed: &["web", "api"],
    missing: false,
    waited: false,
    patient: true,
    restarts: false,
};

const WEB: Known = Known { view: &["web"], ..ALONE };

const BOTH: Known = Known { view: &["web", "api"], ..ALONE };

const ALL: Known = Known { prefixed: true, ..BOTH };

fn names(alias: &str) -> Vec<&'static str> {
    match alias {
        "web" => vec!["build", "web_run", "api__odd", "instances_list"],
        _ => vec!["build", "deploy/now", LONG],
    }
}

/// Where a request goes, in words: the instance and what it is asked for, or why it is refused.
fn tell(method: &str, params: &Value, known: Known) -> String {
    let mut asleep = instance(3, "db-id", "db", "/q", "db");
    asleep.state = InstanceState::Retrying;
    let all = ["api", "web"].map(|alias| {
        let generation = if alias == "web" { 1 } else { 2 };
        instance(generation, &format!("{alias}-id"), alias, "/p", alias)
    });
    let mut coming = instance(5, "new-id", "new", "/s", "new");
    coming.state = InstanceState::Connecting;
    let snapshot = snapshot(all.into_iter().rev().chain([asleep, coming]));
    let gone = instance(4, "old-id", "old", if known.restarts { "/s" } else { "/r" }, "old");
    let mut departed = Departed::default();
    departed.note(&gone);
    let (mut catalog, now) = (Catalog::default(), Instant::now());
    catalog.name_budget = BUDGET;
    let (caller, owners) = (Caller::Greeted, Owners::default());
    for it in snapshot.instances.iter().filter(|it| known.listed.contains(&&*it.alias)) {
        for kind in [ListKind::Tools, ListKind::Prompts] {
            let key = ListKey { generation: it.generation, caller, kind };
            let items = names(&it.alias).into_iter().map(|name| json!({"name": name, "inputSchema": {}}));
            let result = json!({ kind.member(): items.collect::<Vec<_>>() });
            let answer = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
            catalog.want(key, it, now, || 1);
            catalog.on_answer(key, 1, Ok(Frame::parse(answer).unwrap()), now).unwrap();
        }
    }
    let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let frame = Frame::parse(request.to_string()).unwrap();
    let situation = Situation {
        caller,
        view: snapshot.instances.iter().filter(|it| known.view.contains(&&*it.alias)).collect(),
        naming: if known.prefixed { Naming::Prefixed { budget: BUDGET } } else { Naming::Own },
        snapshot: &snapshot,
        catalog: &mut catalog,
        owners: &owners,
        departed: &departed,
        missing: known.missing.then_some(&gone),
        waited: known.waited,
        patient: known.patient,
        name_budget: BUDGET,
    };
    let aliases = |all: &mut dyn Iterator<Item = &Instance>| {
        all.map(|it| it.alias.to_string()).collect::<Vec<_>>().join(" ")
    };
    match route(&frame, situation) {
        Destination::OwnTool(tool) => format!("own {tool:?}"),
        Destination::OwnResource => "own resource".to_owned(),
        Destination::List(kind) => format!("list {kind:?}"),
        Destination::Instance { instance, edits, .. } => {
            let sent: Value = serde_json::from_slice(&frame.edited(edits).join()).unwrap();
            let params = &sent["params"];
            let asked = params["name"].as_str().or(params["uri"].as_str()).unwrap_or("?").to_owned();
            format!("{}: {asked}", instance.alias)
        }
        Destination::Lists(lists) => format!("lists of {}", aliases(&mut lists.iter().map(|(_, it)| it))),
        Destination::Read { instances, .. } => format!("read at {}", aliases(&mut instances.iter())),
        Destination::Method(instances) => format!("one of {}", aliases(&mut instances.iter())),
        Destination::Task { instances, .. } => format!("task of {}", aliases(&mut instances.iter())),
        Destination::Level => "level".to_owned(),
        Destination::Listen { .. } => "listen".to_owned(),
        Destination::Await(generation) => format!("waits for {}", generation.0),
        Destination::Refused { text, .. } | Destination::Unmet { text, .. } => format!("no: {text}"),
    }
}

fn check(method: &str, member: &str, table: &[(&str, Known, &str)]) {
    for (asked, known, expected) in table {
        let told = tell(method, &json!({ member: asked }), *known);
        let fits = expected.strip_suffix('…').map_or(told == *expected, |start| told.starts_with(start));
        assert!(fits, "{method} {asked}, view {:?}: {told}, and not {expected}", known.view);
    }
}

#[test]
fn tools_are_found_by_each_of_their_names() {
    const UNLISTED: Known = Known { listed: &[], ..ALONE };
    const ONLY_WEB: Known = Known { listed: &["web"], ..ALONE };
    const IMPATIENT: Known = Known { patient: false, ..ALONE };
    check(
        method::TOOLS_CALL,
        "name",
        &[
            // The hub's own, in any spelling; an instance's of the same name only with its alias.
            ("instances_list", WEB, "own List"),
            ("instances/connect", ALL, "own Connect"),
            ("web__instances_list", WEB, "web: instances_list"),
            // Own names: of what is connected first, then of anything that is the only one to have it.
            ("web_run", WEB, "web: web_run"),
            ("build", WEB, "web: build"),
            ("web_run", ALONE, "web: web_run"),
            ("deploy/now", WEB, "api: deploy/now"),
            ("build", ALONE, "no: several instances have `build`: call `web__build` or `api__build`"),
            ("build", ALL, "no: several instances have `build`…"),
            // Of two that are connected the first keeps the name, the other is listed with its alias.
            ("build", BOTH, "web: build"),
            ("api__build", BOTH, "api: build"),
            ("deploy/now", BOTH, "api: deploy/now"),
            // The alias in front: whole, with characters replaced, cut, and where nothing is listed.
            ("web__build", ALONE, "web: build"),
            ("api__deploy/now", ALONE, "api: deploy/now"),
            ("api__deploy_now", WEB, "api: deploy/now"),
            ("api__a_name_that_is_cut_when_it_is_listed", ALL, "api: a_name_that_is_cut_when_it_is_listed"),
            ("api__nothing", ALONE, "api: nothing"),
            ("api__build", UNLISTED, "lists of api"),
            ("api__build", Known { waited: true, ..UNLISTED }, "api: build"),
            // A tool whose own name looks like an alias and a name is found where it is listed, else by the alias.
            ("api__odd", WEB, "web: api__odd"),
            ("api__odd", ALONE, "api: odd"),
            // What is not there.
            ("db__build", ALONE, "waits for 3"),
            (
                "db__build",
                Known { patient: false, ..ALONE },
                "no: instance `db` is not active: it is retrying…",
            ),
            ("old__build", ALONE, "no: instance `old` is not running: it never answered…"),
            ("never__build", ALONE, "no: Unknown tool: never__build. No instance is connected…"),
            ("nothing", ALONE, "no: Unknown tool: nothing. No instance is connected…"),
            ("nothing", ALL, "no: Unknown tool: nothing"),
            ("nothing", BOTH, "no: Unknown tool: nothing"),
            ("nothing", Known { missing: true, ..ALONE }, "no: instance `old` is not running…"),
            // What is about to answer is waited for, once.
            ("new__build", ALONE, "waits for 5"),
            ("new__build", IMPATIENT, "no: instance `new` is not active: it is connecting…"),
            ("nothing", Known { missing: true, restarts: true, ..ALONE }, "waits for 5"),
            (
                "nothing",
                Known { missing: true, restarts: true, ..IMPATIENT },
                "no: instance `new` is not active…",
            ),
            // What is connected alone says itself what it does not know, and is asked at once while its list is not there.
            ("nothing", WEB, "web: nothing"),
            ("build", Known { view: &["api"], ..ONLY_WEB }, "api: build"),
            // Whoever has not told yet may have it.
            ("nothing", ONLY_WEB, "lists of api"),
            ("nothing", UNLISTED, "lists of web api"),
            ("nothing", Known { waited: true, ..UNLISTED }, "no: Unknown tool: nothing…"),
            ("web_run", ONLY_WEB, "web: web_run"),
            ("nothing", Known { view: &["web"], ..ONLY_WEB }, "lists of api"),
        ],
    );
}

#[test]
fn a_cut_name_leads_back() {
    check(
        method::TOOLS_CALL,
        "name",
        &[
            (CUT, ALL, "api: a_name_that_is_cut_when_it_is_listed"),
            (CUT, WEB, "api: a_name_that_is_cut_when_it_is_listed"),
            // Another hash is another name.
            ("api__a_name_that_is_cut_w_000000", ALL, "api: a_name_that_is_cut_w_000000"),
        ],
    );
}

#[test]
fn prompts_are_found_as_tools_are() {
    check(
        method::PROMPTS_GET,
        "name",
        &[
            ("web_run", WEB, "web: web_run"),
            // The hub has no prompts that one could clash with.
            ("instances_list", ALONE, "web: instances_list"),
            ("api__deploy_now", ALONE, "api: deploy/now"),
            ("build", ALONE, "no: several instances have `build`…"),
            ("nothing", ALONE, "no: Unknown prompt: nothing"),
        ],
    );
}

#[test]
fn resources_are_asked_for_where_they_may_be() {
    let waited = |known: Known| Known { waited: true, ..known };
    check(
        method::RESOURCES_READ,
        "uri",
        &[
            ("brummer://instances", ALONE, "own resource"),
            ("x://1", WEB, "web: x://1"),
            ("x://1", BOTH, "lists of web api web api"),
            ("x://1", waited(BOTH), "read at web api"),
            ("brummer+api:x://1", BOTH, "api: x://1"),
            ("brummer+api:x://1", WEB, "api: x://1"),
            ("brummer+old:x://1", BOTH, "no: instance `old` is not running…"),
            ("x://1", waited(ALONE), "no: Resource not found"),
            ("x://1", Known { missing: true, ..waited(ALONE) }, "no: instance `old` is not running…"),
            ("x://1", Known { view: &["api"], ..waited(ALL) }, "api: x://1"),
        ],
    );
    check(method::RESOURCES_SUBSCRIBE, "uri", &[("x://1", waited(BOTH), "no: Resource not found")]);
}

#[test]
fn other_methods_go_where_they_can() {
    for (method, params, known, expected) in [
        (method::TOOLS_LIST, json!({}), ALONE, "list Tools"),
        (method::TOOLS_LIST, json!({"cursor": "x"}), ALONE, "no: this cursor is not of this list"),
        (method::TOOLS_CALL, json!({}), WEB, "no: `tools/call` needs the `name` of a tool"),
        (method::LOGGING_SET_LEVEL, json!({"level": "info"}), ALONE, "level"),
        (method::LOGGING_SET_LEVEL, json!({"level": "loud"}), ALONE, "no: `level` must be one of…"),
        (method::TASKS_GET, json!({"taskId": "t"}), WEB, "web: ?"),
        (method::TASKS_GET, json!({"taskId": "t"}), BOTH, "task of web api"),
        (method::TASKS_GET, json!({}), WEB, "no: the request needs the `taskId` of a task"),
        (method::COMPLETION_COMPLETE, json!({}), ALONE, "no: no instance is connected…"),
        (method::COMPLETION_COMPLETE, json!({}), WEB, "web: ?"),
        (method::COMPLETION_COMPLETE, json!({}), BOTH, "no: `completion/complete` needs a `ref`"),
        (method::COMPLETION_COMPLETE, json!({"ref": {"name": "deploy/now"}}), BOTH, "api: ?"),
        // What is connected alone completes what has not the alias of another in front.
        (method::COMPLETION_COMPLETE, json!({"ref": {"name": "anything"}}), WEB, "web: ?"),
        (method::COMPLETION_COMPLETE, json!({"ref": {"uri": "x://1"}}), WEB, "web: ?"),
        (method::COMPLETION_COMPLETE, json!({"ref": {"name": "api__deploy_now"}}), WEB, "api: ?"),
        (method::COMPLETION_COMPLETE, json!({"ref": {"uri": "brummer+api:x://1"}}), WEB, "api: ?"),
        ("odd/method", json!({}), WEB, "web: ?"),
        ("odd/method", json!({}), BOTH, "one of web api"),
        ("odd/method", json!({}), ALONE, "no: method `odd/method` is unknown to the hub…"),
        // A listen is nothing that a client with a handshake can ask the hub for.
        (method::LISTEN, json!({"notifications": {}}), WEB, "web: ?"),
    ] {
        let told = tell(method, &params, known);
        let fits = expected.strip_suffix('…').map_or(told == expected, |start| told.starts_with(start));
        assert!(fits, "{method} {params}: {told}, and not {expected}");
    }
}
