//! Snapshots for the tests of what reads them, and the hub as a whole.

use std::{sync::Arc, time::SystemTime};

use super::Snapshot;
use crate::{
    discovery::Found,
    doorbell::{Doorbell, InstanceId},
    instance::{Generation, Instance, InstanceState},
    sources::SourceKind,
};

mod live;
mod roster;
mod server;

pub(crate) fn found(id: &str, path: &str, name: &str) -> Found {
    // One port has one server: each id has a port of its own.
    let port =
        5000 + id.bytes().fold(0, |sum: u16, byte| sum.wrapping_mul(7).wrapping_add(byte.into())) % 20_000;
    let mut doorbell = Doorbell::new(InstanceId::parse(id).unwrap(), 1, path, port);
    doorbell.name = name.to_owned();
    let file = format!("/doorbells/{id}.json").into();
    Found::new(doorbell, file, SystemTime::UNIX_EPOCH, SourceKind::Doorbell)
}

pub(crate) fn instance(generation: u64, id: &str, alias: &str, path: &str, name: &str) -> Instance {
    let mut instance = Instance::detached(Generation(generation), Arc::new(found(id, path, name)));
    instance.alias = Arc::from(alias);
    instance.state = InstanceState::Active;
    instance
}

pub(crate) fn snapshot(instances: impl IntoIterator<Item = Instance>) -> Snapshot {
    Snapshot { instances: instances.into_iter().collect(), settled: true, ..Snapshot::default() }
}
