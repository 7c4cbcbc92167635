use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parse(value: &Value) -> Result<Doorbell, DoorbellError> {
    Doorbell::parse("web-1.json", value.to_string().as_bytes())
}

fn ours() -> Value {
    json!({"id": "web-1", "pid": 12345, "path": "/home/user/project", "port": 7778,
        "started": "2024-01-01T00:00:00Z", "name": "my-project", "has_package_json": true,
        "last_seen": "2024-01-01T00:00:00Z"})
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut members = ours();
    members[key] = value.into();
    members
}

fn without(key: &str) -> Value {
    let mut members = ours();
    members.as_object_mut().unwrap().remove(key);
    members
}

fn message(value: &Value) -> String {
    parse(value).unwrap_err().to_string()
}

#[test]
fn our_format_is_read() {
    let doorbell = parse(&ours()).unwrap();
    assert_eq!(doorbell.id.as_str(), "web-1");
    assert_eq!(doorbell.pid, 12345);
    assert_eq!(doorbell.path, PathBuf::from("/home/user/project"));
    assert_eq!(doorbell.port, 7778);
    assert_eq!(doorbell.started, "2024-01-01T00:00:00Z");
    assert_eq!(doorbell.name, "my-project");
    assert!(doorbell.has_package_json);
    assert_eq!(doorbell.endpoint, "/mcp");
    assert!(doorbell.extra.is_empty(), "{:?}", doorbell.extra);
}

#[test]
fn the_go_program_s_format_is_read() {
    let file = br#"{
  "id": "project-0123456789abcdef",
  "name": "project",
  "directory": "/home/user/project",
  "port": 7777,
  "started_at": "2025-06-30T12:34:56.123456789-04:00",
  "last_ping": "2025-06-30T12:35:26.123456789-04:00",
  "process_info": {"pid": 4711, "executable": "/usr/bin/brum"}
}"#;
    let doorbell = Doorbell::parse("project-0123456789abcdef.json", file).unwrap();
    assert_eq!((doorbell.pid, doorbell.port), (4711, 7777));
    assert_eq!(doorbell.path, PathBuf::from("/home/user/project"));
    assert_eq!(doorbell.started, "2025-06-30T12:34:56.123456789-04:00");
    assert_eq!(doorbell.extra["process_info"]["executable"], "/usr/bin/brum");
    assert_eq!(doorbell.extra.len(), 1);
}

#[test]
fn heartbeats_make_no_difference() {
    let later = parse(&with("last_seen", "2024-01-01T00:00:30Z")).unwrap();
    assert_eq!(later, parse(&ours()).unwrap());
    assert_ne!(parse(&with("port", 7779)).unwrap(), later);
}

#[test]
fn unknown_members_are_kept() {
    let doorbell = parse(&with("colour", json!({"shade": 3}))).unwrap();
    assert_eq!(doorbell.extra["colour"], json!({"shade": 3}));
    for odd in [json!({"a": []}), json!(["a"])] {
        let doorbell = parse(&with("labels", odd.clone())).unwrap();
        assert_eq!((doorbell.labels.len(), &doorbell.extra["labels"]), (0, &odd));
    }
    let odd = parse(&with("version", json!([3]))).unwrap();
    assert_eq!((odd.version, &odd.extra["version"]), (None, &json!([3])));
}

#[test]
fn extensions_are_read_and_written() {
    let mut file = with("labels", json!({"team": "web"}));
    file["version"] = "1.2.3".into();
    file["endpoint"] = "/api/mcp".into();
    let doorbell = parse(&file).unwrap();
    assert_eq!(doorbell.labels["team"], "web");
    assert_eq!(doorbell.version.as_deref(), Some("1.2.3"));
    assert_eq!(doorbell.endpoint, "/api/mcp");
    assert_eq!(Doorbell::parse("web-1.json", doorbell.to_json().as_bytes()).unwrap(), doorbell);
}

#[test]
fn the_written_form_is_the_documented_one() {
    let doorbell = parse(&ours()).unwrap();
    let expected = r#"{
  "id": "web-1",
  "pid": 12345,
  "path": "/home/user/project",
  "port": 7778,
  "started": "2024-01-01T00:00:00Z",
  "name": "my-project",
  "has_package_json": true,
  "last_seen": "2024-01-01T00:00:00Z"
}
"#;
    assert_eq!(doorbell.to_json(), expected);
}

#[test]
fn names_have_defaults_and_no_control_characters() {
    assert_eq!(parse(&without("name")).unwrap().name, "project");
    assert_eq!(parse(&with("name", "  ")).unwrap().name, "project");
    assert_eq!(parse(&with("name", "a\u{1b}[2Jb\n")).unwrap().name, "a\u{fffd}[2Jb");
    assert_eq!(remarks(&with("name", "x".repeat(257))).0.name, "project");
}

fn remarks(value: &Value) -> (Doorbell, Vec<String>) {
    let mut remarks = Vec::new();
    let doorbell = Doorbell::parse_remarking("web-1.json", value.to_string().as_bytes(), &mut remarks);
    (doorbell.unwrap(), remarks.iter().map(ToString::to_string).collect())
}

#[test]
fn members_are_taken_however_they_are_written() {
    let read = |key, value: Value| remarks(&with(key, value));
    for port in [json!(3000), json!(3000.0), json!("3000"), json!(" 3000 ")] {
        assert_eq!(read("port", port).0.port, 3000);
    }
    for pid in [json!(12), json!(12.0), json!("12")] {
        assert_eq!(read("pid", pid).0.pid, 12);
    }
    for (value, expected) in [
        (json!(1), true),
        (json!(0), false),
        (json!("true"), true),
        (json!("False"), false),
        (Value::Null, false),
    ] {
        let (doorbell, remarks) = read("has_package_json", value);
        assert_eq!((doorbell.has_package_json, remarks.len()), (expected, 0));
    }
    assert_eq!(read("name", json!(7)).0.name, "7");
    assert_eq!(read("version", json!(2)).0.version.as_deref(), Some("2"));
    assert_eq!(read("labels", json!({"a": 1, "b": true})).0.labels["a"], "1");
    for (endpoint, expected) in [
        ("", "/mcp"),
        (" ", "/mcp"),
        ("mcp", "/mcp"),
        ("api/mcp", "/api/mcp"),
        ("http://127.0.0.1:7778/api/mcp?a=b", "/api/mcp?a=b"),
        ("HTTP://localhost:7778", "/"),
        ("http://[::1]:7778/mcp", "/mcp"),
        ("http://0.0.0.0:7778/mcp", "/mcp"),
    ] {
        assert_eq!(read("endpoint", json!(endpoint)).0.endpoint, expected, "{endpoint}");
    }
    let mut file = ours().to_string().into_bytes();
    file.splice(0..0, *b"\xEF\xBB\xBF");
    assert!(Doorbell::parse("web-1.json", &file).is_ok(), "a BOM");
}

#[test]
fn times_are_taken_however_they_are_written() {
    let started = |value: Value| remarks(&with("started", value));
    for as_written in ["2024-01-01T00:00:00Z", "2025-06-30T12:34:56.123456789-04:00"] {
        assert_eq!(started(json!(as_written)).0.started, as_written);
    }
    for (value, expected) in [
        (json!(1_700_000_000_000_u64), "2023-11-14T22:13:20Z"),
        (json!("1700000000000"), "2023-11-14T22:13:20Z"),
        (json!(1_700_000_000), "2023-11-14T22:13:20Z"),
        (json!(1_700_000_000.25), "2023-11-14T22:13:20Z"),
    ] {
        assert_eq!(started(value).0.started, expected);
    }
    // Without a zone: the one of this machine, whichever that is.
    for local in ["2024-05-06T07:08:09.123456", "2024-05-06 07:08:09", "2024-05-06T07:08:09"] {
        let (doorbell, remarks) = started(json!(local));
        let time: jiff::Timestamp = doorbell.started.parse().unwrap();
        let back = time.to_zoned(jiff::tz::TimeZone::system()).datetime().to_string();
        assert!(back.starts_with("2024-05-06T07:08:09"), "{back}");
        assert!(remarks.is_empty());
    }
    for bad in [json!("yesterday"), json!(true), json!([1]), json!(-5), json!(12), json!("9".repeat(80))] {
        let (doorbell, remarks) = started(bad.clone());
        assert_eq!((doorbell.started.as_str(), remarks.len()), ("", 1), "{bad}");
    }
    assert_eq!(started(json!("")).1.len(), 0, "it says nothing");
}

#[test]
fn a_bad_member_that_only_informs_costs_a_remark() {
    for (key, bad) in [
        ("has_package_json", json!("perhaps")),
        ("name", json!(["a"])),
        ("name", json!("x".repeat(257))),
        ("started", json!("soon")),
        ("host", json!("example.com")),
        ("host", json!("192.168.0.1")),
        ("host", json!(7)),
        ("pid_namespace", json!("here")),
    ] {
        let (_, remarks) = remarks(&with(key, bad));
        assert_eq!(remarks.len(), 1, "{key}");
        assert!(remarks[0].starts_with(&format!("`{key}` is")), "{remarks:?}");
    }
    assert!(remarks(&ours()).1.is_empty());
}

#[test]
fn a_host_is_a_loopback_address() {
    let host = |value: &str| remarks(&with("host", value)).0.host.map(|host| host.to_string());
    for address in ["127.0.0.1", "127.9.8.7", "::1"] {
        assert_eq!(host(address).as_deref(), Some(address));
    }
    assert_eq!(host("[::1]").as_deref(), Some("::1"));
    for any in ["localhost", "0.0.0.0", "::", ""] {
        assert_eq!(host(any), None, "{any}");
    }
    let url = remarks(&with("endpoint", "http://127.0.0.2:7778/mcp")).0;
    assert_eq!(url.host.map(|host| host.to_string()).as_deref(), Some("127.0.0.2"));
    assert_eq!(Doorbell::parse("web-1.json", url.to_json().as_bytes()).unwrap(), url);
}

#[test]
fn secrets_are_read_and_written_and_never_shown() {
    let mut file = with("token", "hunter2");
    file["headers"] = json!({"X-Api-Key": "swordfish"});
    let doorbell = parse(&file).unwrap();
    assert_eq!(doorbell.token.as_ref().map(Secret::expose), Some("hunter2"));
    assert_eq!(doorbell.headers["x-api-key"].expose(), "swordfish");
    assert!(doorbell.extra.is_empty());
    let shown = format!("{doorbell:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    assert_eq!(Doorbell::parse("web-1.json", doorbell.to_json().as_bytes()).unwrap(), doorbell);
    // Nor when something is wrong with them.
    let message = message(&with("token", "hunter2\u{7}"));
    assert!(!message.contains("hunter2"), "{message}");
    assert_eq!(parse(&with("token", "")).unwrap().token, None);
}

#[test]
fn what_is_wrong_is_said() {
    for member in ["id", "pid", "path", "port"] {
        assert_eq!(message(&without(member)), format!("`{member}` is missing"));
    }
    for port in [json!(0), json!(65_536), json!(-1), json!("80a"), json!(1.5), json!(true), Value::Null] {
        assert_eq!(message(&with("port", port)), "`port` must be a number from 1 to 65535");
    }
    for pid in [json!(0), json!(u64::from(u32::MAX) + 1), json!("1 2"), json!([1])] {
        assert_eq!(message(&with("pid", pid)), "`pid` must be the number of a process");
    }
    assert_eq!(message(&with("path", "project")), "`path` must be an absolute path");
    assert_eq!(message(&with("path", "")), "`path` must be an absolute path");
    assert_eq!(message(&with("path", "/a\nb")), "`path` must be free of control characters");
    assert_eq!(
        message(&with("path", format!("/{}", "a".repeat(4096)))),
        "`path` must be at most 4096 bytes long"
    );
    for (token, wrong) in [
        ("token", json!(7)),
        ("token", json!("a\nb")),
        ("headers", json!(["a"])),
        ("headers", json!({"host": "x"})),
        ("headers", json!({"x-key": 7})),
    ] {
        let message = message(&with(token, wrong));
        assert!(message.starts_with(&format!("`{token}` must be")), "{message}");
    }
    assert_eq!(message(&with("id", "web-2")), r#"`id` is "web-2", but the file is named for "web-1""#);
    assert!(message(&json!([])).starts_with("the file is not a JSON object"));
}

#[test]
fn half_a_file_may_be_unfinished_and_a_wrong_one_is_not() {
    let bytes = ours().to_string();
    for length in 0..bytes.len() {
        let error = Doorbell::parse("web-1.json", &bytes.as_bytes()[..length]).unwrap_err();
        assert!(error.may_be_unfinished(), "{length}: {error}");
    }
    assert!(!parse(&without("pid")).unwrap_err().may_be_unfinished());
}

#[test]
fn large_files_are_refused() {
    let error = parse(&with("x", "x".repeat(MAX_FILE_BYTES))).unwrap_err();
    assert!(matches!(error, DoorbellError::TooLarge { .. }), "{error}");
    assert!(parse(&with("x", "x".repeat(MAX_FILE_BYTES - 1000))).is_ok());
}

#[test]
fn file_names_are_ids() {
    for name in
        ["web-1", ".json", "-a.json", ".a.json", "_a.json", "a b.json", "a/b.json", "../a.json", "ä.json"]
    {
        assert!(matches!(id_of_file(name), Err(DoorbellError::FileName { .. })), "{name}");
    }
    assert!(id_of_file(&format!("{}.json", "a".repeat(128))).is_ok());
    assert!(id_of_file(&format!("{}.json", "a".repeat(129))).is_err());
    assert_eq!(id_of_file("a.json.json").unwrap().as_str(), "a.json");
}

#[test]
fn endpoints_cannot_point_elsewhere() {
    for good in ["/", "/mcp", "/api/v1/mcp?key=a%20b", "/mcp/..x", "/a;b=1/@me"] {
        assert_eq!(parse(&with("endpoint", good)).unwrap().endpoint, good);
    }
    let bad = [
        "//evil/mcp",
        "/a b",
        "/a\r\nHost: evil",
        "/a#b",
        "/../mcp",
        "/a/./b",
        "/a/%2e%2E/b",
        "/%2e%2e",
        "/a%2f..%2fb",
        "/a\\..\\b",
        "/%00",
        "/%0d%0a",
        "/%zz",
        "/%2",
        "/ä",
        "http://evil/mcp",
        "http://evil:7778/mcp",
        "https://127.0.0.1:7778/mcp",
        "http://127.0.0.1:7779/mcp",
        "http://127.0.0.1/mcp",
        "http://me@127.0.0.1:7778/mcp",
        "http://127.0.0.1.evil:7778/mcp",
        "http://127.0.0.1:7778/../mcp",
        "file:///mcp",
    ];
    for bad in bad {
        assert!(message(&with("endpoint", bad)).starts_with("`endpoint` must be"), "{bad}");
    }
    assert!(parse(&with("endpoint", format!("/{}", "a".repeat(1024)))).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_judged(name in ".{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = Doorbell::parse(&name, &bytes);
    }

    #[test]
    fn any_member_may_be_anything(key in "id|pid|path|port|started|name|endpoint|labels|version|host|token|headers|[a-z]{1,4}",
                                  value in "[\\[\\]{}\",:0-9a-z/%.\\\\-]{0,30}|null|true|[0-9]{1,20}|\"[^\"\\\\]{0,20}\"") {
        let file = format!(r#"{{"id":"web-1","pid":1,"path":"/p","port":1,"{key}":{value}}}"#);
        if let Ok(doorbell) = Doorbell::parse("web-1.json", file.as_bytes()) {
            // Whatever was accepted is safe to use and survives being written.
            prop_assert!(doorbell.endpoint.starts_with('/'));
            prop_assert!(!doorbell.endpoint.contains(['\r', '\n', ' ']));
            prop_assert!(!doorbell.name.chars().any(char::is_control) && !doorbell.name.is_empty());
            prop_assert_eq!(Doorbell::parse("web-1.json", doorbell.to_json().as_bytes()).unwrap(), doorbell);
        }
    }

    #[test]
    fn ids_are_file_names(text in "\\PC{0,140}|[A-Za-z0-9._-]{1,130}") {
        if let Ok(id) = InstanceId::parse(&text) {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(!text.contains(['/', '\\', ':', '\0']) && !text.starts_with('.') && text.len() <= 128);
            prop_assert_eq!(id_of_file(&format!("{text}.json")).unwrap(), id);
        }
    }
}
