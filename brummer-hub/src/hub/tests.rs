//! Snapshots for the tests of what reads them, and the hub as a whole.

use std::{sync::Arc, time::SystemTime};

use super::Snapshot;
use crate::{
    discovery::Found,
    doorbell::{Doorbell, InstanceId},
    instance::{Generation, Instance, InstanceState},
};

mod live;
mod roster;
mod server;

pub(crate) fn found(id: &str, path: &str, name: &str) -> Found {
    let mut doorbell = Doorbell::new(InstanceId::parse(id).unwrap(), 1, path, 4000);
    doorbell.name = name.to_owned();
    Found { doorbell, file: format!("/doorbells/{id}.json").into(), modified: SystemTime::UNIX_EPOCH }
}

pub(crate) fn instance(generation: u64, id: &str, alias: &str, path: &str, name: &str) -> Instance {
    let mut instance = Instance::detached(Generation(generation), Arc::new(found(id, path, name)));
    instance.alias = Arc::from(alias);
    instance.state = InstanceState::Active;
    instance
}

pub(crate) fn snapshot(instances: impl IntoIterator<Item = Instance>) -> Snapshot {
    Snapshot { instances: instances.into_iter().collect(), settled: true }
}
