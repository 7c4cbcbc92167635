use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Frame, FrameError> {
    Frame::parse(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn tells_requests_notifications_and_responses_apart() {
    let request = parse(r#"{"jsonrpc":"2.0","id":"a","method":"tools\/call","params":{"x":1}}"#).unwrap();
    assert_eq!((request.method(), request.id()), (Some("tools/call"), Some("\"a\"")));
    assert_eq!(request.params(), Some(r#"{"x":1}"#));
    let notification = parse(r#"{"method":"notifications/x","jsonrpc":"2.0"}"#).unwrap();
    assert!(matches!(notification.kind(), Kind::Notification { .. }));
    let error = parse(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#).unwrap();
    assert_eq!(*error.kind(), Kind::Response { id: None, ok: false });
    for (both, is_ok) in [(r#""result":{},"error":null"#, true), (r#""result":null,"error":{}"#, false)] {
        let response = parse(&format!(r#"{{"jsonrpc":"2.0","id":1,{both}}}"#)).unwrap();
        assert!(matches!(response.kind(), Kind::Response { ok, .. } if *ok == is_ok), "{both}");
    }
    let result = parse(r#"{"result":null,"jsonrpc":"2.0","id":3}"#).unwrap();
    assert!(matches!(result.kind(), Kind::Response { id: Some(_), ok: true }));
    assert_eq!((result.numeric_id(), result.result()), (Some(3), Some("null")));
}

#[test]
fn keeps_everything_but_the_id() {
    let text = r#"{ "id":12345678901234567890123, "jsonrpc":"2.0", "result":{"z" : 1.0,"a":1e400,"s":"\ud83d\ude00"} }"#;
    let frame = parse(text).unwrap();
    let expected = text.replace("12345678901234567890123", "\"7\"");
    assert_eq!(frame.with_id("\"7\"").join(), expected.as_bytes());
}

#[test]
fn members_that_do_not_belong_to_a_message_are_not_passed_on() {
    for (text, expected) in [
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#),
        (
            r#"{"error" : null , "id":1,"result":{},"jsonrpc":"2.0"}"#,
            r#"{ "id":7,"result":{},"jsonrpc":"2.0"}"#,
        ),
        (r#"{"jsonrpc":"2.0","result":null,"error":{},"id":1}"#, r#"{"jsonrpc":"2.0","error":{},"id":7}"#),
        (r#"{"x":1,"error":{},"y":[2],"jsonrpc":"2.0","z":{}}"#, r#"{"id":7,"error":{},"jsonrpc":"2.0"}"#),
        (
            r#"{"jsonrpc":"2.0","method":null,"id":1,"params":{},"result":1}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":1}"#,
        ),
        (
            r#"{"i\u0064":1,"jsonrpc":"2.0","result":1,"\u0078":1}"#,
            r#"{"i\u0064":7,"jsonrpc":"2.0","result":1}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null,"result":1}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"m"}"#,
        ),
        (r#"{"jsonrpc":"2.0","method":"m","params":null,"id2":1}"#, r#"{"jsonrpc":"2.0","method":"m"}"#),
    ] {
        let told = parse(text).unwrap().with_id("7").join();
        assert_eq!(String::from_utf8(told.to_vec()).unwrap(), expected, "{text}");
    }
    let told = parse(r#"{"_":0,"jsonrpc":"2.0","method":"m","params":{"a":1}}"#).unwrap();
    let span = told.span_of(told.params().unwrap());
    let told = told.edited(vec![(span, "{}".to_owned())]).join();
    assert_eq!(told, r#"{"jsonrpc":"2.0","method":"m","params":{}}"#);
}

#[test]
fn half_an_emoji_becomes_a_character_that_all_can_read() {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"a":"\ud83d","b":"\ud83d\ude00"}}"#;
    let expected = text.replace(r#""\ud83d","b"#, r#""\ufffd","b"#);
    let read = |text: &str| Frame::read(&Bytes::copy_from_slice(text.as_bytes()).into()).unwrap();
    assert_eq!((read(text).bytes(), read(text).numeric_id()), (&Bytes::from(expected.clone()), Some(1)));
    assert_eq!(parse(text).unwrap().bytes(), text.as_bytes(), "what clients say is theirs");
    for cut in 0..text.len() {
        let mut scanner = Scanner::default();
        let mut data = text.as_bytes().to_vec();
        scanner.read(&mut data[..cut]);
        scanner.read(&mut data);
        let document = Document::scanned(data, scanner, Bytes::from);
        assert_eq!(Frame::read(&document).unwrap().bytes(), expected.as_bytes());
    }
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"a":{}"\ude00"{}}}}}"#,
        "[".repeat(99),
        "]".repeat(99)
    );
    assert!(read(&deep).result().unwrap().contains("\\ufffd"));
    // Not even a name that only JSON-RPC is to know spoils the message.
    let named = Bytes::from(r#"{"\ud800":1,"jsonrpc":"2.0","id":1,"result":{}}"#);
    let frame = messages(&named.into(), 1).next().unwrap().unwrap();
    assert_eq!(frame.with_id("7").join(), r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
}

#[test]
fn gives_an_id_to_a_response_that_has_none() {
    for (text, expected) in [
        (r#"{"jsonrpc":"2.0","error":{}}"#, r#"{"id":5,"jsonrpc":"2.0","error":{}}"#),
        (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, r#"{"jsonrpc":"2.0","id":5,"error":{}}"#),
    ] {
        assert_eq!(parse(text).unwrap().with_id("5").join(), expected.as_bytes());
    }
}

#[test]
fn puts_pretty_printed_messages_on_one_line() {
    let frame =
        parse("{\r\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1,\n  \"result\": {\"t\": \"a\\nb\"}\n}\n").unwrap();
    assert!(!frame.bytes().contains(&b'\n') && !frame.bytes().contains(&b'\r'));
    assert_eq!(frame.result(), Some(r#"{"t": "a\nb"}"#));
}

#[test]
fn says_what_is_wrong_and_keeps_a_readable_id() {
    for text in ["", "nonsense", "{", "{} x", "\u{feff}"] {
        assert!(matches!(parse(text), Err(FrameError::NotJson(_))), "{text}");
    }
    for (text, id) in [
        ("{}", None),
        ("1", None),
        (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, Some("1")),
        (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, None),
        (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, None),
        (r#"{"jsonrpc":"2.0","id":2,"method":3}"#, Some("2")),
        (r#"{"jsonrpc":"2.0","id":2,"method":"m","params":3}"#, Some("2")),
        (r#"{"jsonrpc":"2.0","id":2,"result":1,"error":{}}"#, Some("2")),
        (r#"{"jsonrpc":"2.0","id":2,"id":3,"method":"m"}"#, None),
    ] {
        match parse(text) {
            Err(FrameError::NotJsonRpc { id: found, .. }) => assert_eq!(found.as_deref(), id, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(parse(" [1]"), Err(FrameError::Batch)));
    assert!(Frame::parse(&b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}"[..]).is_err());
}

#[test]
fn takes_batches_apart() {
    let batch = Bytes::from_static(b" [ {\"a\":1} , 2 ]");
    let parts = split_batch(&batch, 2).unwrap();
    assert_eq!(parts, [&b"{\"a\":1}"[..], &b"2"[..]]);
    assert!(split_batch(&batch, 1).is_err());
    assert!(split_batch(&Bytes::from_static(b"[]"), 1).is_err());
}

#[test]
fn deep_nesting_is_not_a_problem() {
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{}1{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(parse(&text).unwrap().method(), Some("m"));
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Frame::parse(bytes);
    }

    #[test]
    fn any_json_survives_forwarding(params in json(), before in 0_u64..9, id in any::<u64>()) {
        let params = format!("{{\"p\":{params}}}");
        let text = format!(r#"{{"params":{params},"jsonrpc":"2.0","id":{id},"method":"m{before}"}}"#);
        let frame = parse(&text).unwrap();
        prop_assert_eq!(frame.params(), Some(params.as_str()));
        prop_assert_eq!(frame.numeric_id(), Some(id));
        let there = Frame::parse(frame.with_id("\"other\"").join()).unwrap();
        let back = there.with_id(&id.to_string()).join();
        prop_assert_eq!(back, text.as_bytes());
    }
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:?}")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec((any::<String>(), inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("{} :{value}", serde_json::to_string(key).unwrap()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}
