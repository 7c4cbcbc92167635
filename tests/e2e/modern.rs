//! Clients and instances of the era without a handshake (2026-07-28), on the raw wire, in every combination with the other
//! era. LM means a legacy client and a modern instance, and so on.

mod asking;
mod cancelling;
mod checks;
mod detection;
mod headers;
mod listening;
mod relay;
mod results;
mod states;
mod suspended;
mod tasks;
mod unbridged;

use serde_json::{Value, json};

use crate::support::{Behaviour, Fake, Home, Hub, HubOptions};

/// A hub that has had no word from its client, and an instance that is active.
async fn silent(home: &Home, behaviour: Behaviour) -> (Hub, Fake) {
    let fake = Fake::start(behaviour).await;
    let id = home.announce("it", fake.port);
    let hub = Hub::spawn(home, &HubOptions::default());
    hub.modern_active(&id).await;
    (hub, fake)
}

/// A legacy client that is connected to an instance.
async fn connected(home: &Home, behaviour: Behaviour) -> (Hub, Fake) {
    connected_as(home, behaviour, HubOptions::default()).await
}

async fn connected_as(home: &Home, behaviour: Behaviour, options: HubOptions) -> (Hub, Fake) {
    let fake = Fake::start(behaviour).await;
    let id = home.announce("it", fake.port);
    let hub = Hub::start(home, options).await;
    hub.connect(&id).await;
    (hub, fake)
}

/// A tool result with one text.
fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

/// A question to a person, as both eras put it.
fn elicitation(message: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { "n": { "type": "string" } } });
    json!({ "message": message, "requestedSchema": schema })
}
