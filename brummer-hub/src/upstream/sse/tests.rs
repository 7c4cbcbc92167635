use proptest::prelude::*;

use super::*;

fn feed(parser: &mut Parser, chunk: &[u8]) -> Vec<SseEvent> {
    let mut chunk = Bytes::copy_from_slice(chunk);
    std::iter::from_fn(|| parser.next(&mut chunk)).collect()
}

fn parse(text: impl AsRef<[u8]>) -> Vec<SseEvent> {
    feed(&mut Parser::new(1000), text.as_ref())
}

fn message(data: &'static str) -> SseEvent {
    SseEvent::Data { name: Name::Message, data: Bytes::from_static(data.as_bytes()) }
}

#[test]
fn reads_all_line_ends() {
    for text in ["data: a\n\ndata:b\n\n", "data: a\r\n\r\ndata:b\r\n\r\n", "data: a\r\rdata:b\r\r"] {
        assert_eq!(parse(text), [message("a"), message("b")], "{text:?}");
    }
}

#[test]
fn joins_data_lines_and_takes_one_space_off() {
    assert_eq!(parse("data:  a\ndata\ndata:b:c\n\n"), [message(" a\n\nb:c")]);
}

#[test]
fn ignores_comments_unknown_fields_and_a_byte_order_mark() {
    assert_eq!(parse("\u{feff}: hello\n\ndata: x\ncolour: red\nda: y\n\n:\n\n"), [message("x")]);
    assert_eq!(parse("\u{feff}data: x\n\n\u{feff}data: y\n\n"), [message("x")]);
    assert_eq!(parse("\n\u{feff}data: y\n\n"), []);
}

#[test]
fn names_events() {
    let events =
        parse("event: endpoint\ndata: /x\n\nevent:ping\ndata: 1\n\ndata: 2\n\nevent: message\ndata: 3\n\n");
    let names: Vec<_> = events
        .iter()
        .map(|event| if let SseEvent::Data { name, .. } = event { *name } else { panic!() })
        .collect();
    assert_eq!(names, [Name::Endpoint, Name::Other, Name::Message, Name::Message]);
}

#[test]
fn a_priming_event_sets_the_id_and_tells_nothing() {
    let mut parser = Parser::new(10);
    assert_eq!(feed(&mut parser, b"id: 1\nretry: 250\ndata:\n\n"), []);
    assert_eq!((parser.last_id(), parser.retry()), (Some(&b"1"[..]), Some(250)));
    assert_eq!(
        feed(&mut parser, b"data: x\n\nretry: 1s\nretry: -1\nretry:\nid: a\0b\n\nid: unfinished\n"),
        [message("x")]
    );
    assert_eq!((parser.last_id(), parser.retry()), (Some(&b"1"[..]), Some(250)));
    assert_eq!(feed(&mut parser, b"\nid\n\n"), []);
    assert_eq!(parser.last_id(), None);
}

#[test]
fn drops_what_was_unfinished_when_it_restarts() {
    let mut parser = Parser::new(100);
    feed(&mut parser, b"id: 7\n\nevent: x\ndata: half");
    parser.restart();
    assert_eq!(feed(&mut parser, b"\ndata: whole\n\n"), [message("whole")]);
    assert_eq!(parser.last_id(), Some(&b"7"[..]));
}

#[test]
fn bounds_events_and_goes_on() {
    let mut parser = Parser::new(4);
    let events =
        feed(&mut parser, b"data: 12345\ndata: 6\n\ndata: 1234\n\ndata: 12\ndata: 34\n\ndata: 1\n\n");
    assert_eq!(events, [SseEvent::TooLarge, message("1234"), SseEvent::TooLarge, message("1")]);
    let long = format!("id: {}\ndata: x\n\n", "i".repeat(MAX_VALUE + 1));
    assert_eq!(feed(&mut parser, long.as_bytes()), [message("x")]);
    assert_eq!(parser.last_id(), None);
}

/// The algorithm of the standard, on the whole text at once.
fn reference(text: &[u8]) -> (Vec<SseEvent>, Vec<u8>) {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let text: Vec<u8> = String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\r', "\n").into();
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.pop();
    let (mut events, mut data, mut name, mut id, mut last_id) = (vec![], vec![], vec![], vec![], vec![]);
    for line in lines {
        if line.is_empty() {
            last_id.clone_from(&id);
            data.pop();
            if !data.is_empty() {
                let name = match &name[..] {
                    b"" | b"message" => Name::Message,
                    b"endpoint" => Name::Endpoint,
                    _ => Name::Other,
                };
                events.push(SseEvent::Data { name, data: std::mem::take(&mut data).into() });
            }
            data.clear();
            name.clear();
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            b"event" => name = value.to_vec(),
            b"id" if !value.contains(&0) => id = value.to_vec(),
            _ => {}
        }
    }
    (events, last_id)
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("data"),
        Just("data: "),
        Just("event:"),
        Just("id:"),
        Just("retry:"),
        Just(":"),
        Just(" "),
        Just("x"),
        Just("message"),
        Just("endpoint"),
        Just("7"),
        Just("\0"),
        Just("é"),
        Just("\u{feff}"),
        Just("\n"),
        Just("\n"),
        Just("\n\n"),
        Just("\r"),
        Just("\r\n"),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_cutting_gives_the_events_of_the_standard(text in stream(), cuts in proptest::collection::vec(0..9_usize, 0..80)) {
        let (expected, last_id) = reference(&text);
        let mut parser = Parser::new(usize::MAX);
        let (mut events, mut rest) = (vec![], &text[..]);
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            events.extend(feed(&mut parser, chunk));
            rest = after;
        }
        events.extend(feed(&mut parser, rest));
        prop_assert_eq!(events, expected);
        prop_assert_eq!(parser.last_id().unwrap_or_default(), last_id);
    }

    #[test]
    fn any_bytes_are_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0..20_usize) {
        for event in feed(&mut Parser::new(limit), &bytes) {
            if let SseEvent::Data { data, .. } = event {
                prop_assert!(!data.is_empty() && data.len() <= limit);
            }
        }
    }
}
