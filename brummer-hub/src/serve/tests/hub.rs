use super::*;
use crate::{Hub, HubConfig, instance::InstanceState, session::SessionConfig};

#[tokio::test]
async fn a_hub_finds_it_and_calls_its_tools() {
    let (builder, data) = with_tools();
    let server = builder.path(data.path()).start().await.unwrap();
    let hub = Hub::start(HubConfig { directories: Directories::only(data.path()), ..HubConfig::default() });
    let mut list = hub.instances();
    let active = |wanted: usize| {
        move |snapshot: &Arc<crate::hub::Snapshot>| {
            let active = |it: &&crate::instance::Instance| it.state == InstanceState::Active;
            snapshot.instances.iter().filter(active).count() == wanted
        }
    };
    let snapshot = within(list.wait_for(active(1))).await.unwrap().clone();
    assert_eq!(snapshot.instances[0].found.doorbell.id, *server.id());

    let mut session = hub.session(SessionConfig::default());
    let params =
        json!({ "instance_id": server.id().as_str(), "tool": "echo", "arguments": { "text": "hé" } });
    let params = json!({ "name": "instances_call", "arguments": params });
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    session.send(request.to_string()).await.unwrap();
    let answer: Value = serde_json::from_slice(&within(session.recv()).await.unwrap()).unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "hé", "{answer}");
    session.close().await;

    server.shutdown().await;
    within(list.wait_for(|snapshot| snapshot.instances.is_empty())).await.unwrap();
    hub.shutdown().await;
}
