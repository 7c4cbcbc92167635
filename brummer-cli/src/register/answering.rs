//! Whether hubs can use what was announced, as a hub finds out.

use std::{convert::Infallible, future::pending};

use brummer_hub::{
    Hub, HubConfig,
    discovery::Directories,
    doorbell::Doorbell,
    instance::{Instance, InstanceState},
    sources::SourceChoice,
};

use crate::output;

/// Says once if the announced server does not answer as one of MCP. Never ends by itself.
pub(super) async fn warn_of_silence(directories: &Directories, announced: &Doorbell) -> Infallible {
    let mut config = HubConfig::default();
    config.directories = directories.clone();
    config.sources.choice = SourceChoice::Only(Vec::new());
    let hub = Hub::start(config);
    let is_tried = |instance: &&Instance| {
        *instance.id() == announced.id
            && matches!(instance.state, InstanceState::Active | InstanceState::Retrying)
    };
    let mut snapshots = hub.instances();
    // It fails only when the hub has ended.
    let tried = snapshots.wait_for(|snapshot| snapshot.instances.iter().any(|it| is_tried(&it))).await;
    let tried = tried.ok().and_then(|snapshot| snapshot.instances.iter().find(is_tried).cloned());
    if let Some(instance) = tried.filter(|instance| instance.state != InstanceState::Active) {
        let why = instance.status().last_error.clone().unwrap_or_default();
        output::note(format_args!(
            "warning: port {} does not answer MCP at {} yet: {why}\n\
             hint: it stays announced; if MCP is spoken elsewhere on it, announce it with --endpoint, and if it wants a token, \
             with --token-env; `brummer-hub doctor` looks at it again",
            announced.port, announced.endpoint
        ));
    }
    hub.shutdown().await;
    pending().await
}
