//! Files of every format and oddity, planned and edited without touching a disk.

use serde_json::{Value, json};

use super::{
    clients::{self, Format, Shape},
    edit::{EditError, Spot},
    entry::{Entry, Launch},
    plan::{self, Plan, PlanError, State},
};

fn launch(command: &str) -> Launch {
    Launch { command: command.to_owned(), before: Vec::new(), options: vec!["--mcp".to_owned()] }
}

fn parts(client: &str) -> (Spot, Entry) {
    let client = clients::named(client).unwrap();
    (Spot::of(client), Entry::new(client.shape, launch("/opt/bin/brummer-hub")))
}

/// Installs into this text, and gives what is written.
fn installed(client: &str, text: &str) -> String {
    let (spot, entry) = parts(client);
    match plan::install(spot, &entry, Some(text), None) {
        Ok(Plan::Write { text, .. }) => text,
        other => panic!("{client}: {other:?}\n{text}"),
    }
}

/// Installs, checks that the second time changes nothing, and that taking it back gives what was there, byte for byte.
fn round_trip(client: &str, text: &str) -> String {
    let (spot, entry) = parts(client);
    let written = installed(client, text);
    let again = plan::install(spot, &entry, Some(&written), Some(text));
    assert!(matches!(again, Ok(Plan::Keep(State::Current | State::Off))), "{again:?}\n{written}");
    let back = plan::uninstall(spot, Some(&written), Some(text)).unwrap();
    if spot.read(text).unwrap().is_none() {
        assert_eq!(back, Plan::Restore { text: text.to_owned() }, "{written}");
    } else {
        // There was one before, which goes, too.
        match back {
            Plan::Write { text: rest, .. } => assert_eq!(spot.read(&rest), Ok(None), "{rest}"),
            back => assert_eq!(back, Plan::Remove),
        }
    }
    // Without a backup the entry alone goes.
    match plan::uninstall(spot, Some(&written), None).unwrap() {
        Plan::Write { text: rest, .. } => assert_eq!(spot.read(&rest), Ok(None), "{rest}"),
        Plan::Remove => {}
        other => panic!("{other:?}"),
    }
    written
}

/// Every line that was there is there still, and in its order. An object on one line is another matter.
fn lines_stay(text: &str, written: &str) {
    let mut lines = written.lines();
    for line in
        text.lines().map(|line| line.trim().trim_end_matches(',')).filter(|line| !line.contains(['{', '[']))
    {
        assert!(lines.any(|now| now.contains(line)), "{line:?} is lost:\n{written}");
    }
}

#[test]
fn an_empty_or_missing_file_gets_what_is_needed() {
    for client in clients::CLIENTS {
        let (spot, entry) = (Spot::of(client), Entry::new(client.shape, launch("/opt/bin/brummer-hub")));
        for file in [None, Some(""), Some("\n")] {
            let Plan::Write { text, backup } = plan::install(spot, &entry, file, None).unwrap() else {
                panic!("{}", client.id)
            };
            assert_eq!(backup, file.is_some());
            assert_eq!(plan::state(spot, &entry, &text), State::Current, "{}: {text}", client.id);
            assert!(text.ends_with('\n') || client.format != Format::Yaml, "{}: {text:?}", client.id);
            if file.is_none() {
                assert_eq!(
                    plan::uninstall(spot, Some(&text), None),
                    Ok(Plan::Remove),
                    "{}: {text}",
                    client.id
                );
            }
        }
    }
}

#[test]
fn new_files_look_as_the_clients_write_them() {
    for (client, expected) in [
        (
            "cursor",
            "{\n  \"mcpServers\": {\n    \"brummer-hub\": {\n      \"command\": \"/opt/bin/brummer-hub\",\n      \
             \"args\": [\"--mcp\"]\n    }\n  }\n}\n",
        ),
        (
            "opencode",
            "{\n  \"mcp\": {\n    \"brummer-hub\": {\n      \"type\": \"local\",\n      \"command\": \
             [\"/opt/bin/brummer-hub\", \"--mcp\"],\n      \"enabled\": true\n    }\n  }\n}\n",
        ),
        ("codex", "[mcp_servers.brummer-hub]\ncommand = \"/opt/bin/brummer-hub\"\nargs = [\"--mcp\"]\n"),
        (
            "continue",
            "mcpServers:\n  - name: brummer-hub\n    command: /opt/bin/brummer-hub\n    args:\n      - '--mcp'\n",
        ),
        (
            "goose",
            "extensions:\n  brummer-hub:\n    name: brummer-hub\n    description: Every dev process on this machine\n    \
             type: stdio\n    cmd: /opt/bin/brummer-hub\n    args:\n      - '--mcp'\n    enabled: true\n    timeout: 300\n",
        ),
    ] {
        let (spot, entry) = parts(client);
        let Ok(Plan::Write { text, .. }) = plan::install(spot, &entry, None, None) else {
            panic!("{client}")
        };
        assert_eq!(text, expected, "{client}");
    }
}

#[test]
fn json_of_every_kind_keeps_what_it_has() {
    for text in [
        "{}",
        "{}\n",
        "{\n}\n",
        "{\"a\":1}",
        "{ \"a\": 1, \"mcpServers\": {\"x\": {\"command\": \"y\"}} }\n",
        "{\n\t\"a\": 1,\n\t\"mcpServers\": {\n\t\t\"x\": {\n\t\t\t\"command\": \"y\"\n\t\t}\n\t}\n}\n",
        "{\n    \"mcpServers\": {}\n}",
        "{\"mcpServers\": null, \"z\": [1, 2.50, 1e3, \"\\u0041\"]}\n",
        "\n\n  {\n   \"odd\" : true ,\n      \"mcpServers\":{\n  \"x\":{} } }   \n\n",
    ] {
        lines_stay(text, &round_trip("claude-desktop", text));
    }
    for text in [
        "// top\n{\n    /* block */ \"a\": 1, // why\n    \"mcpServers\": {\n        // other\n        \"x\": {}, // end\n    },\n}\n",
        "{\n  // nothing yet\n}\n",
        "{\n  \"mcpServers\": {\n    // \"old\": {},\n  }\n}\n// the end",
        "{\n  \"mcpServers\": {\n    \"x\": {}\n    // last\n  }\n  /* end */\n}\n",
    ] {
        let written = round_trip("cursor", text);
        lines_stay(text, &written);
        assert_eq!(written.matches("//").count(), text.matches("//").count(), "{written}");
    }
}

#[test]
fn windows_files_stay_windows_files() {
    let text = "\u{feff}{\r\n  \"a\": \"x\",\r\n  \"mcpServers\": {\r\n    \"x\": {}\r\n  }\r\n}\r\n";
    let written = round_trip("cursor", text);
    assert!(written.starts_with('\u{feff}'));
    assert_eq!(written.matches('\n').count(), written.matches("\r\n").count(), "{written:?}");
    for (client, text) in [
        ("codex", "\u{feff}model = \"x\"\r\n\r\n[mcp_servers.a]\r\ncommand = \"b\" # c\r\n"),
        ("goose", "GOOSE_MODEL: x\r\nextensions:\r\n  dev:\r\n    enabled: true\r\n"),
        ("continue", "name: x\r\nmcpServers:\r\n- name: a\r\n  command: b\r\n"),
    ] {
        let written = round_trip(client, text);
        assert_eq!(written.matches('\n').count(), written.matches("\r\n").count(), "{written:?}");
    }
    // Lines that were ended otherwise stay so.
    let mixed = "{\r\n  \"a\": 1,\n  \"mcpServers\": {\r\n  }\r\n}\r\n";
    assert!(installed("cursor", mixed).contains("\"a\": 1,\n"));
}

#[test]
fn windows_paths_are_written_so_that_they_are_read() {
    for client in clients::CLIENTS {
        for command in [
            r"C:\Program Files\hub\brummer-hub.exe",
            r"\\server\new\brummer-hub.exe",
            "/a b/'c'/\"d\"/brummer-hub",
        ] {
            let entry = Entry::new(client.shape, launch(command));
            let spot = Spot::of(client);
            let Ok(Plan::Write { text, .. }) = plan::install(spot, &entry, None, None) else {
                panic!("{}", client.id)
            };
            let read = spot.read(&text).unwrap().unwrap();
            assert!(read.to_string().contains(&json!(command).to_string()), "{}: {text}", client.id);
        }
    }
}

#[test]
fn toml_keeps_comments_order_and_layout() {
    for text in [
        "# top\nmodel = \"x\" # why\n\n[mcp_servers.a]\ncommand = \"b\" # c\nargs = [\n  \"x\", # y\n]\n\n# of z\n[z]\nq = 1\n",
        "model = 'x'",
        "[mcp_servers]\na = { command = \"b\" }\n",
        "mcp_servers = { a = { command = \"b\" } } # inline\n",
        "mcp_servers.a.command = \"b\"\n",
        "[[list]]\nwhen = 1979-05-27T07:32:00Z\n[[list]]\nf = 1.50\n",
    ] {
        lines_stay(text, &round_trip("codex", text));
    }
}

#[test]
fn yaml_keeps_comments_order_and_layout() {
    for text in [
        "# top\nextensions:\n    dev: # here\n        name: dev\n        enabled: true\n    # last\n    x:\n        name: x\nGOOSE_MODEL: y\n",
        "GOOSE_MODEL: y\n",
        "extensions: {}\nGOOSE_MODEL: y\n",
        "extensions:\n  dev:\n    name: dev",
        "# only a comment\n",
        "extensions: {dev: {name: dev}}\n",
    ] {
        lines_stay(text, &round_trip("goose", text));
    }
    for text in [
        "name: x # why\nmcpServers:\n  - name: a\n    command: b # c\n    args:\n      - x\n# end\nmodels: []\n",
        "name: x\nmcpServers:\n- name: a\n  command: b\n",
        "name: x\nmcpServers: []\nz: 1\n",
        "name: x\nmcpServers: [{name: a, command: b}]\n",
        "name: x\nprompt: |\n  several\n   lines # no comment\nversion: 1.0.0\n",
    ] {
        lines_stay(text, &round_trip("continue", text));
    }
}

#[test]
fn an_entry_of_an_older_version_is_brought_up_to_date_and_keeps_the_users_settings() {
    for (client, text, kept) in [
        (
            "cursor",
            "{\n  \"mcpServers\": {\n    // mine\n    \"brummer-hub\": {\n      \"command\": \"npx\", // old\n      \"args\": [\"-y\", \"brummer-hub\", \"--mcp\"],\n      \"env\": { \"A\": \"b\" }\n    },\n    \"x\": {}\n  }\n}\n",
            &["// mine", "\"env\": { \"A\": \"b\" }", "\"x\": {}"][..],
        ),
        (
            "codex",
            "[mcp_servers.brummer-hub]\ncommand = \"/old/brummer-hub\" # here\nargs = [\"--mcp\"]\nenv = { A = \"b\" }\n",
            &["# here", "env = { A = \"b\" }"],
        ),
        (
            "goose",
            "extensions:\n  brummer-hub:\n    name: brummer-hub\n    cmd: /old/brummer-hub\n    args:\n      - --mcp\n    enabled: false # not now\n    type: stdio\n  z: {}\n",
            &["enabled: false # not now", "z: {}"],
        ),
        (
            "continue",
            "mcpServers:\n  - name: a\n    command: b\n  - name: brummer-hub\n    command: /old/brummer-hub\n    args: [--mcp]\n    env:\n      A: b\n",
            &["- name: a", "A: b"],
        ),
    ] {
        let written = round_trip(client, text);
        for kept in kept {
            assert!(written.contains(kept), "{client}: {kept:?} is lost:\n{written}");
        }
        assert!(written.contains("/opt/bin/brummer-hub") && !written.contains("/old/"), "{written}");
    }
}

#[test]
fn comments_stay_when_the_entry_goes() {
    for (client, text) in [
        ("codex", "# 1\n[mcp_servers.brummer-hub]\ncommand = \"brummer-hub\"\nargs = [\"--mcp\"]\n"),
        ("codex", "[mcp_servers.brummer-hub]\ncommand = \"brummer-hub\"\n# 1\nargs = [\"--mcp\"]\n# 2\n"),
        (
            "codex",
            "# 1\nmodel = \"x\"\n\n# 2\n[mcp_servers.brummer-hub]\ncommand = \"brummer-hub\"\n\n# 3\n[z]\nq = 1\n",
        ),
        (
            "codex",
            "[mcp_servers]\n# 1\nbrummer-hub = { command = \"brummer-hub\" }\n# 2\na = { command = \"b\" }\n",
        ),
        ("goose", "# 1\nextensions:\n  # 2\n  brummer-hub:\n    # 3\n    cmd: brummer-hub\n  # 4\n"),
        (
            "goose",
            "extensions:\n  # 1\n  a:\n    cmd: b\n  # 2\n  brummer-hub:\n    cmd: brummer-hub\n  # 3\n  z:\n    cmd: b\n",
        ),
        (
            "continue",
            "# 1\nmcpServers:\n  # 2\n  - name: brummer-hub\n    # 3\n    command: brummer-hub\n# 4\n",
        ),
        (
            "continue",
            "mcpServers:\n  - name: a\n    command: b\n  # 1\n  - name: brummer-hub\n    command: brummer-hub\n",
        ),
        (
            "cursor",
            "// 1\n{\n  // 2\n  \"mcpServers\": {\n    // 3\n    \"brummer-hub\": {\n      // 4\n      \"command\": \"brummer-hub\"\n    }\n    // 5\n  }\n}\n// 6\n",
        ),
        (
            "cursor",
            "{\n  \"mcpServers\": {\n    \"x\": {}, // 1\n    // 2\n    \"brummer-hub\": {\n      \"command\": \"brummer-hub\"\n    },\n    // 3\n    \"z\": {}\n  }\n}\n",
        ),
        (
            "droid",
            "{\n  \"mcpServers\": {\n    \"x\": {},\n    /* 1\n     */\n    // 2\n    \"brummer-hub\": { \"command\": \"brummer-hub\" }\n  }\n}\n",
        ),
    ] {
        let (spot, _) = parts(client);
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            let Ok(Plan::Write { text: left, backup: false }) = plan::uninstall(spot, Some(&text), None)
            else {
                panic!("{client}: {text}")
            };
            let numbers = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            let wanted = numbers(&text.replace("q = 1", ""));
            assert_eq!(numbers(&left.replace("q = 1", "")), wanted, "{client}:\n{text}{left}");
            assert_eq!(spot.read(&left), Ok(None), "{left}");
            assert_eq!(
                left.matches('\n').count() == left.matches("\r\n").count(),
                text.contains('\r'),
                "{left:?}"
            );
        }
    }
}

#[test]
fn a_file_in_which_a_comment_would_be_lost_is_kept_beside() {
    for (client, text) in [
        ("codex", "[mcp_servers.brummer-hub] # mine\ncommand = \"brummer-hub\"\n"),
        ("codex", "[mcp_servers.brummer-hub]\ncommand = \"brummer-hub\" # mine\n"),
        ("goose", "extensions:\n  brummer-hub: # mine\n    cmd: brummer-hub\n"),
        ("continue", "mcpServers:\n  - name: brummer-hub # mine\n    command: brummer-hub\n"),
        (
            "cursor",
            "{\n  \"mcpServers\": {\n    \"brummer-hub\": { // mine\n      \"command\": \"brummer-hub\"\n    }\n  }\n}\n",
        ),
    ] {
        let (spot, _) = parts(client);
        let plan = plan::uninstall(spot, Some(text), None);
        assert!(matches!(plan, Ok(Plan::Write { backup: true, .. })), "{client}: {plan:?}");
    }
}

#[test]
fn a_file_of_which_only_spaces_are_the_users_is_not_removed() {
    for client in clients::CLIENTS {
        let (spot, entry) = parts(client.id);
        let Ok(Plan::Write { text, .. }) = plan::install(spot, &entry, None, None) else {
            panic!("{}", client.id)
        };
        let plan = plan::uninstall(spot, Some(&format!("\n{text}")), None);
        assert!(matches!(plan, Ok(Plan::Write { backup: false, .. })), "{}: {plan:?}", client.id);
        assert_eq!(plan::uninstall(spot, Some(&text), None), Ok(Plan::Remove), "{}", client.id);
    }
}

#[test]
fn an_entry_that_says_nothing_is_none() {
    for client in clients::CLIENTS {
        let (spot, entry) = parts(client.id);
        let keys = |empty: &str| match client.format {
            Format::Json { .. } => {
                vec![format!("{{ \"{}\": {{ \"brummer-hub\": {empty} }} }}", client.keys[0])]
            }
            Format::Toml => vec![format!("[{}.brummer-hub]\n", client.keys[0])],
            Format::Yaml if client.shape == Shape::Item => {
                vec![format!("{}:\n  - name: brummer-hub\n  - name: z\n", client.keys[0])]
            }
            Format::Yaml => vec![format!("{}:\n  brummer-hub: {empty}\n  z: {{}}\n", client.keys[0])],
        };
        for text in [keys("null"), keys("{}")].concat() {
            assert_eq!(plan::state(spot, &entry, &text), State::Missing, "{text}");
            assert_eq!(plan::uninstall(spot, Some(&text), None), Ok(Plan::Keep(State::Missing)), "{text}");
            let written = installed(client.id, &text);
            assert_eq!(plan::state(spot, &entry, &written), State::Current, "{written}");
        }
    }
}

#[test]
fn what_the_client_itself_cannot_read_is_left_alone() {
    for (client, text) in [
        ("claude-code", "{\n  // comment\n}\n"),
        ("claude-code", "{\"a\": 1,}"),
        ("gemini", "{\"a\": 1,}"),
        ("cursor", "{\"a\": "),
        ("cursor", "{'a': 1}"),
        ("cursor", "{\"a\": 1} trailing"),
        ("codex", "model = \n"),
        ("codex", "[a]\nb = 1\n[a]\nc = 2\n"),
        ("goose", "a: [\nb: ]]\n"),
        ("goose", "a: 1\n---\nb: 2\n"),
        ("goose", "a:\n\t- tab\n"),
    ] {
        let (spot, entry) = parts(client);
        let refused = plan::install(spot, &entry, Some(text), None);
        assert!(
            matches!(refused, Err(PlanError::Edit(EditError::Syntax(_)))),
            "{client}: {text:?}: {refused:?}"
        );
        assert!(matches!(plan::state(spot, &entry, text), State::Unreadable(_)));
        assert!(plan::uninstall(spot, Some(text), None).is_err());
    }
    for (client, text) in [
        ("cursor", "[]"),
        ("cursor", "{\"mcpServers\": []}"),
        ("codex", "mcp_servers = 1\n"),
        ("continue", "mcpServers:\n  a: b\n"),
        ("goose", "- a\n"),
    ] {
        let (spot, entry) = parts(client);
        let refused = plan::install(spot, &entry, Some(text), None);
        assert!(
            matches!(refused, Err(PlanError::Edit(EditError::Kind(..)))),
            "{client}: {text:?}: {refused:?}"
        );
    }
}

#[test]
fn a_syntax_error_says_where_it_is() {
    let (spot, entry) = parts("claude-code");
    let error =
        plan::install(spot, &entry, Some("{\n  \"a\": 1\n  \"b\": 2\n}"), None).unwrap_err().to_string();
    assert!(error.contains("line 3"), "{error}");
    let (spot, entry) = parts("codex");
    let error = plan::install(spot, &entry, Some("a = 1\nb = \n"), None).unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn another_server_of_this_name_is_left_alone() {
    let text = "{\"mcpServers\": {\"brummer-hub\": {\"command\": \"docker\"}}}";
    let (spot, entry) = parts("cursor");
    assert_eq!(plan::install(spot, &entry, Some(text), None), Err(PlanError::Foreign));
    assert_eq!(plan::uninstall(spot, Some(text), None), Ok(Plan::Keep(State::Foreign)));
}

#[test]
fn an_entry_that_is_turned_off_stays_off() {
    let text = installed("opencode", "").replace("\"enabled\": true", "\"enabled\": false");
    let (spot, entry) = parts("opencode");
    assert_eq!(plan::install(spot, &entry, Some(&text), None), Ok(Plan::Keep(State::Off)));
}

#[test]
fn the_backup_is_of_the_time_before_the_first_change() {
    let (spot, old) =
        (Spot::of(clients::named("cursor").unwrap()), Entry::new(Shape::Plain, launch("/old/brummer-hub")));
    let original = "{\"a\":1}";
    let Ok(Plan::Write { text: first, backup: true }) = plan::install(spot, &old, Some(original), None)
    else {
        panic!("no backup")
    };
    let (_, new) = parts("cursor");
    let Ok(Plan::Write { text: second, backup }) = plan::install(spot, &new, Some(&first), Some(original))
    else {
        panic!("nothing is written")
    };
    assert!(!backup, "the backup that is there is the original");
    assert_eq!(
        plan::uninstall(spot, Some(&second), Some(original)),
        Ok(Plan::Restore { text: original.to_owned() })
    );
    // Once the user has changed something else, only the entry is taken back.
    let changed = second.replace("\"a\":1", "\"a\":2");
    let Ok(Plan::Write { text: rest, .. }) = plan::uninstall(spot, Some(&changed), Some(original)) else {
        panic!("the change is lost")
    };
    assert_eq!(rest.replace(char::is_whitespace, ""), "{\"a\":2,\"mcpServers\":{}}");
}

#[test]
fn an_editor_that_would_change_more_is_not_trusted() {
    // Two properties of one name: a reader takes the last, an editor the first.
    let text = "{\"mcpServers\": {\"x\": {}}, \"mcpServers\": {\"y\": {}}}";
    let (spot, entry) = parts("cursor");
    assert_eq!(plan::install(spot, &entry, Some(text), None), Err(PlanError::Edit(EditError::Odd)));
    // An alias: what is added to one server would be added to the other.
    let text = "x: &x\n  dev:\n    name: dev\nextensions: *x\n";
    let (spot, entry) = parts("goose");
    assert!(plan::install(spot, &entry, Some(text), None).is_err());
}

#[test]
fn each_client_gets_the_options_it_needs() {
    let base = Launch { command: "/x".to_owned(), before: Vec::new(), options: Vec::new() };
    let words = |name: &str, directory: Option<&str>| {
        base.for_client(clients::named(name).unwrap(), directory.map(std::path::Path::new)).options
    };
    assert_eq!(words("cursor", None), ["--mcp"]);
    assert_eq!(words("codex", None), ["--mcp", "--tools", "all"]);
    assert_eq!(words("cursor", Some("/d")), ["--mcp", "--data-dir", "/d"]);
}

#[test]
fn the_snippet_can_be_pasted_into_an_empty_file() {
    for client in clients::CLIENTS {
        let spot = Spot::of(client);
        let entry = Entry::new(client.shape, launch("/x/brummer-hub"));
        let Value::Object(whole) = entry.over(None) else { panic!("{}", client.id) };
        let text = spot.snippet(&whole);
        assert_eq!(spot.read(&text), Ok(Some(Value::Object(whole))), "{}: {text}", client.id);
    }
}
