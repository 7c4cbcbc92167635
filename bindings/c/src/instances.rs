//! Instances as C sees them.

use std::{ffi::c_char, ptr, sync::Arc};

use engine::{
    instance::{Instance, InstanceState},
    session::InstanceEntry,
};

use crate::{
    error::bh_error,
    ffi::{Failure, Opaque, boundary, boundary_void, c_string, get, give, inside, retire},
    hub::bh_hub,
    status::bh_status,
    string::{bh_string, give_string},
};

/// Where an instance stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(i32)]
pub enum bh_state {
    /// Its file was found.
    Discovered = 1,
    /// The hub is connecting to it.
    Connecting = 2,
    /// The last exchange succeeded.
    Active = 3,
    /// It does not answer; the hub tries again, with growing pauses.
    Retrying = 4,
    /// It is gone, and is dropped from the list.
    Dead = 5,
}

impl From<InstanceState> for bh_state {
    fn from(state: InstanceState) -> Self {
        match state {
            InstanceState::Discovered => Self::Discovered,
            InstanceState::Connecting => Self::Connecting,
            InstanceState::Active => Self::Active,
            InstanceState::Retrying => Self::Retrying,
            InstanceState::Dead => Self::Dead,
        }
    }
}

/// An instance as it was at one moment. Texts are UTF-8 and live as long as what the instance was taken from: a list or
/// an event. Later versions may add members at the end, so use it only through the pointers that you are given.
#[derive(Debug)]
#[repr(C)]
pub struct bh_instance {
    /// Unique on the machine. Never NULL.
    pub id: *const c_char,
    /// Short name, unique in the list, stable over restarts. Never NULL.
    pub alias: *const c_char,
    /// Name that it announced. Never NULL.
    pub name: *const c_char,
    /// Project directory. Never NULL.
    pub path: *const c_char,
    /// Path of its MCP endpoint, such as "/mcp". Never NULL.
    pub endpoint: *const c_char,
    /// When it began to listen, as it said (RFC 3339). Never NULL, may be "".
    pub started: *const c_char,
    /// Version that it announced. NULL if it did not.
    pub version: *const c_char,
    /// When the hub last connected to it (RFC 3339). NULL if it never did.
    pub connected_at: *const c_char,
    /// "legacy" or "modern": without or with the MCP revision 2026-07-28. NULL while it is not known.
    pub era: *const c_char,
    /// MCP revision that was settled on with it. NULL while it is not known.
    pub protocol_version: *const c_char,
    /// Why it is not active. NULL if there is nothing to say.
    pub last_error: *const c_char,
    /// Round trip of the last check in milliseconds; negative while it is not known.
    pub latency_ms: f64,
    /// Where it stands: one of bh_state.
    pub state: i32,
    /// Process that announced it.
    pub pid: u32,
    /// Loopback port of its MCP server.
    pub port: u16,
    /// 1 if the project has a package.json, else 0.
    pub has_package_json: u8,
}

/// Texts that stay where they are, wherever this is moved. Not as `CString`: that would be the only one to point to its text
/// each time that it is moved.
#[derive(Debug, Default)]
struct Texts(Vec<Vec<u8>>);

impl Texts {
    fn keep(&mut self, text: Option<String>) -> *const c_char {
        let Some(text) = text else { return ptr::null() };
        let text = c_string(text).into_bytes_with_nul();
        let pointer = text.as_ptr().cast();
        self.0.push(text);
        pointer
    }
}

/// A [`bh_instance`] with the texts that it points to.
#[derive(Debug)]
pub(crate) struct InstanceView {
    shown: bh_instance,
    /// Never changed: `shown` points into them.
    _texts: Texts,
}

// SAFETY: the pointers lead into `_texts`, which belong to the view, and nothing of it is ever changed.
unsafe impl Send for InstanceView {}
// SAFETY: as above.
unsafe impl Sync for InstanceView {}

impl InstanceView {
    pub(crate) fn of(instance: &Instance) -> Self {
        let entry = InstanceEntry::of(instance, false);
        let status = instance.status();
        let doorbell = &instance.found.doorbell;
        let mut texts = Texts::default();
        let mut keep = |text| texts.keep(text);
        let shown = bh_instance {
            id: keep(Some(entry.id)),
            alias: keep(Some(entry.alias)),
            name: keep(Some(entry.name)),
            path: keep(Some(entry.path)),
            endpoint: keep(Some(doorbell.endpoint.clone())),
            started: keep(Some(entry.started)),
            version: keep(entry.version),
            connected_at: keep(entry.connected_at),
            era: keep(entry.era.map(str::to_owned)),
            protocol_version: keep(entry.protocol_version.map(str::to_owned)),
            last_error: keep(status.last_error.clone()),
            latency_ms: entry.latency_ms.unwrap_or(-1.0),
            state: bh_state::from(entry.state) as i32,
            pid: entry.pid,
            port: entry.port,
            has_package_json: entry.has_package_json.into(),
        };
        Self { shown, _texts: texts }
    }

    pub(crate) fn shown(&self) -> *const bh_instance {
        &raw const self.shown
    }
}

/// The instances of a hub as they were at one moment, in the order of their aliases.
#[derive(Debug)]
pub struct bh_instances {
    _private: (),
}

impl Opaque for bh_instances {
    type Object = Vec<InstanceView>;
    const NAME: &'static str = "list of instances";
}

/// Takes the list of instances that are not dead. It does not change afterwards.
///
/// @param hub        must not be NULL.
/// @param instances  must not be NULL; receives the list, which the caller frees with bh_instances_free().
/// @param error      may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_CLOSED after bh_hub_stop(),
///         BH_STATUS_FORKED.
///
/// Threads: any; never waits. Right after the start the list is short: see bh_hub_wait_settled().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hub_instances(
    hub: *const bh_hub,
    instances: *mut *mut bh_instances,
    error: *mut *mut bh_error,
) -> bh_status {
    let list = || {
        // SAFETY: the header asks for a hub or NULL.
        let running = unsafe { inside(hub) }?;
        running.check_open()?;
        if instances.is_null() {
            return Err(Failure::argument("`instances` must not be NULL"));
        }
        let snapshot = Arc::clone(&running.hub.instances().borrow());
        let views: Vec<_> = snapshot.instances.iter().map(InstanceView::of).collect();
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { instances.write(give(Arc::new(views))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, list) }
}

/// How many there are. 0 if `instances` is NULL or was freed.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_instances_count(instances: *const bh_instances) -> usize {
    // SAFETY: the header asks for a list or NULL.
    unsafe { get(instances, 0, Vec::len) }
}

/// One of them; it lives as long as the list. NULL if there are not that many.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_instances_get(
    instances: *const bh_instances,
    index: usize,
) -> *const bh_instance {
    let find = |list: &Vec<InstanceView>| list.get(index).map_or(ptr::null(), InstanceView::shown);
    // SAFETY: the header asks for a list or NULL.
    unsafe { get(instances, ptr::null(), find) }
}

/// Frees a list. NULL is fine.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_instances_free(instances: *mut bh_instances) {
    // SAFETY: the header asks for a list or NULL.
    boundary_void(|| unsafe { retire(instances) }.map(drop));
}

/// The same list as JSON, as `brummer-hub list --json` prints it: {"instances":[…]}.
///
/// @param hub    must not be NULL.
/// @param json   must not be NULL; receives the text, which the caller frees with bh_string_free().
/// @param error  may be NULL; on failure receives an error, which the caller frees.
/// @return as bh_hub_instances().
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hub_instances_json(
    hub: *const bh_hub,
    json: *mut *mut bh_string,
    error: *mut *mut bh_error,
) -> bh_status {
    let list = || {
        // SAFETY: the header asks for a hub or NULL.
        let running = unsafe { inside(hub) }?;
        running.check_open()?;
        if json.is_null() {
            return Err(Failure::argument("`json` must not be NULL"));
        }
        let snapshot = Arc::clone(&running.hub.instances().borrow());
        let entries: Vec<_> = snapshot.instances.iter().map(|it| InstanceEntry::of(it, false)).collect();
        let text = serde_json::json!({ "instances": entries }).to_string();
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { json.write(give_string(c_string(text))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, list) }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn texts_stay_where_they_are() {
        let mut texts = Texts::default();
        let pointers = ["one", "two"].map(|text| texts.keep(Some(text.to_owned())));
        assert!(texts.keep(None).is_null());
        let moved = Arc::new(texts);
        for (pointer, text) in pointers.into_iter().zip(["one", "two"]) {
            // SAFETY: `moved` has the texts.
            assert_eq!(unsafe { CStr::from_ptr(pointer) }.to_str().unwrap(), text);
        }
        drop(moved);
    }
}
