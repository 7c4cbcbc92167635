use super::*;

#[test]
fn slashes_are_an_alias() {
    assert_eq!(Tool::named("instances_list"), Some(Tool::List));
    assert_eq!(Tool::named("instances/connect"), Some(Tool::Connect));
    for other in ["instances", "instances.list", "instances_", "list", "instances_lists"] {
        assert_eq!(Tool::named(other), None, "{other}");
    }
}

#[test]
fn every_tool_is_defined_once_with_both_schemas() {
    let definitions: Vec<Value> = serde_json::from_str(&format!("[{}]", definitions())).unwrap();
    let names: Vec<_> = definitions.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, Tool::ALL.map(Tool::name));
    for tool in &definitions {
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert_eq!(tool["outputSchema"]["type"], "object");
        assert!(tool["description"].as_str().unwrap().len() > 20);
    }
}

#[test]
fn a_called_tool_keeps_its_own_structured_content() {
    let frame =
        |result: &str| Frame::parse(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)).unwrap();
    assert!(called_edits(&frame(r#"{"content":[],"structuredContent":{"a":1}}"#), "web", false).is_empty());
    assert_eq!(called_edits(&frame(r#"{"content":[]}"#), "web", false).len(), 1);
    assert!(called_edits(&frame("[]"), "web", false).is_empty());
}
