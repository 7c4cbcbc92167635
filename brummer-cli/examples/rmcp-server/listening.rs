//! What a client of 2026-07-28 hears while it listens.

use std::collections::BTreeMap;

use rmcp::service::SubscriptionContext;

use crate::shared::{Shared, note_name};

/// Tells of changed notes and added tools until the client stops listening.
pub(crate) async fn listen(shared: &Shared, context: &SubscriptionContext) {
    let (mut revisions, mut added) = (shared.revisions.subscribe(), shared.added_tools.subscribe());
    let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
    let tools = context.accepted().tools_list_changed == Some(true);
    let mut last: BTreeMap<String, u64> = revisions.borrow_and_update().clone();
    loop {
        tokio::select! {
            biased;
            () = context.cancelled() => return,
            changed = revisions.changed() => if changed.is_err() { return },
            changed = added.changed() => {
                if changed.is_err() || (tools && context.sink().notify_tool_list_changed().await.is_err()) {
                    return;
                }
                continue;
            }
        }
        let now = revisions.borrow_and_update().clone();
        for uri in &uris {
            let changed = note_name(uri).is_ok_and(|name| now.get(name) != last.get(name));
            if changed && context.sink().notify_resource_updated(uri.as_str()).await.is_err() {
                return;
            }
        }
        last = now;
    }
}
