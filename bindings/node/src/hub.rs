//! `Hub`.

use brummer_hub::{
    Hub, HubConfig,
    hub::{HubEvent, Snapshot},
    instance::Instance,
    session::InstanceEntry,
};
use napi_derive::napi;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    emit::{Callback, Emitter, code, thrown},
    options::{self, HubOptions, SessionOptions},
    runtime::runtime,
    session::NativeSession,
};

type Result<T> = std::result::Result<T, napi::Error<String>>;

/// A hub. It stops when it is collected.
#[napi]
pub struct NativeHub {
    hub: Option<Hub>,
}

#[napi]
impl NativeHub {
    /// Starts it.
    ///
    /// # Errors
    /// When the options make no sense.
    #[napi(factory, catch_unwind)]
    pub fn start(options: String) -> Result<Self> {
        let options: HubOptions = options::read(&options)?;
        let _entered = runtime().enter();
        Ok(Self { hub: Some(Hub::start(HubConfig::from(options))) })
    }

    /// The instances now, as a JSON array.
    ///
    /// # Errors
    /// When it is closed.
    #[napi(catch_unwind)]
    pub fn instances(&self) -> Result<String> {
        Ok(listed(&self.hub()?.instances().borrow()))
    }

    /// Calls back with the instances once those announced at the start have been tried.
    ///
    /// # Errors
    /// When it is closed.
    #[napi(catch_unwind)]
    pub fn settled(&self, callback: Callback<'_>) -> Result<()> {
        let mut snapshots = self.hub()?.instances();
        let emitter = emitter(&callback)?;
        runtime().spawn(async move {
            // An error says that the hub was stopped meanwhile; then the last list is all there is.
            let _ = snapshots.wait_for(|snapshot| snapshot.settled).await;
            let instances = listed(&snapshots.borrow());
            emitter.call("done", instances);
        });
        Ok(())
    }

    /// Calls back with each event, and with `end` when the hub has ended.
    ///
    /// # Errors
    /// When it is closed.
    #[napi(catch_unwind)]
    pub fn watch(&self, callback: Callback<'_>) -> Result<NativeWatch> {
        let mut events = self.hub()?.events();
        let emitter = emitter(&callback)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        runtime().spawn(async move {
            let told = async {
                while let Some(event) = events.recv().await {
                    if emitter.send("event", said(&event)).await.is_err() {
                        return;
                    }
                }
                emitter.call("end", "");
            };
            stopped.run_until_cancelled(told).await;
        });
        Ok(NativeWatch { stop: Some(stop.drop_guard()) })
    }

    /// Opens a session, whose messages come by the callback.
    ///
    /// # Errors
    /// When it is closed, or the options make no sense.
    #[napi(catch_unwind)]
    pub fn session(&self, options: String, callback: Callback<'_>) -> Result<NativeSession> {
        let options: SessionOptions = options::read(&options)?;
        let config = options.into_config()?;
        let emitter = emitter(&callback)?;
        let _entered = runtime().enter();
        Ok(NativeSession::carry(self.hub()?.session(config), emitter))
    }

    /// Stops it, and calls back when everything is closed.
    ///
    /// # Errors
    /// When the callback cannot be called.
    #[napi(catch_unwind)]
    pub fn close(&mut self, callback: Callback<'_>) -> Result<()> {
        let emitter = emitter(&callback)?;
        let hub = self.hub.take();
        runtime().spawn(async move {
            if let Some(hub) = hub {
                hub.shutdown().await;
            }
            emitter.call("done", "");
        });
        Ok(())
    }

    fn hub(&self) -> Result<&Hub> {
        self.hub.as_ref().ok_or_else(|| thrown(code::CLOSED, "the hub is closed"))
    }
}

/// Watches a hub until it is collected or stopped.
#[napi]
pub struct NativeWatch {
    stop: Option<DropGuard>,
}

#[napi]
impl NativeWatch {
    /// Stops it.
    #[napi]
    pub fn stop(&mut self) {
        self.stop = None;
    }
}

pub(crate) fn emitter(callback: &Callback<'_>) -> Result<Emitter> {
    Emitter::new(callback).map_err(|error| thrown(code::INVALID_ARGUMENT, error))
}

fn listed(snapshot: &Snapshot) -> String {
    let entries: Vec<Value> = snapshot.instances.iter().map(shown).collect();
    Value::Array(entries).to_string()
}

fn shown(instance: &Instance) -> Value {
    let mut entry = json!(InstanceEntry::of(instance, false));
    if let Some(members) = entry.as_object_mut() {
        // What a session is connected to, a hub is not.
        members.remove("connected");
        members.insert("endpoint".to_owned(), instance.found.doorbell.endpoint.clone().into());
    }
    entry
}

fn said(event: &HubEvent) -> String {
    let event = match event {
        HubEvent::InstanceAppeared(instance) => json!({ "type": "appeared", "instance": shown(instance) }),
        HubEvent::StateChanged { instance, from } => {
            json!({ "type": "state", "instance": shown(instance), "from": from.name() })
        }
        HubEvent::AliasChanged(instance) => json!({ "type": "alias", "instance": shown(instance) }),
        HubEvent::InstanceGone(instance) => json!({ "type": "gone", "instance": shown(instance) }),
        HubEvent::Lagged(missed) => json!({ "type": "lagged", "missed": missed }),
        // One that this addon does not know yet: the list has to be read again.
        _ => json!({ "type": "lagged", "missed": 1 }),
    };
    event.to_string()
}
