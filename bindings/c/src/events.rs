//! What happens to instances.

use std::{
    ffi::{c_char, c_void},
    ptr,
    sync::Arc,
};

use engine::hub::{HubEvent, HubEvents};

use crate::{
    bell::bh_descriptor,
    error::bh_error,
    ffi::{
        Borrowed, DropFn, Failure, Opaque, UserData, boundary, boundary_void, get, give, inside, retire,
        wait_time,
    },
    hub::bh_hub,
    instances::{InstanceView, bh_instance, bh_state},
    mailbox::{Mailbox, Supply},
    running::let_go,
    status::bh_status,
    subscription::{Call, Source, Subscription, bh_subscription},
};

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(i32)]
pub enum bh_event_kind {
    /// An instance was announced and is in the list now.
    Appeared = 1,
    /// An instance is in another state; bh_event_previous_state() tells the former one.
    StateChanged = 2,
    /// An instance got the alias of its predecessor.
    AliasChanged = 3,
    /// An instance left the list.
    Gone = 4,
    /// The program was too slow, and bh_event_missed() events were dropped: read the list again.
    Missed = 5,
}

/// An event of an instance. The list of instances shows the change before the event is sent.
#[derive(Debug)]
pub struct bh_event {
    _private: (),
}

/// What is behind a [`bh_event`].
#[derive(Debug)]
pub(crate) struct EventView {
    kind: bh_event_kind,
    previous: i32,
    missed: u64,
    instance: Option<InstanceView>,
}

impl Opaque for bh_event {
    type Object = EventView;
    const NAME: &'static str = "event";
}

impl EventView {
    /// `None` for what a later engine may tell and this version has no word for.
    fn of(event: &HubEvent) -> Option<Self> {
        let (kind, previous, missed, instance) = match event {
            HubEvent::InstanceAppeared(instance) => (bh_event_kind::Appeared, 0, 0, Some(instance)),
            HubEvent::StateChanged { instance, from } => {
                (bh_event_kind::StateChanged, bh_state::from(*from) as i32, 0, Some(instance))
            }
            HubEvent::AliasChanged(instance) => (bh_event_kind::AliasChanged, 0, 0, Some(instance)),
            HubEvent::InstanceGone(instance) => (bh_event_kind::Gone, 0, 0, Some(instance)),
            HubEvent::Lagged(missed) => (bh_event_kind::Missed, 0, *missed, None),
            _ => return None,
        };
        Some(Self { kind, previous, missed, instance: instance.map(InstanceView::of) })
    }
}

/// Events, as views.
#[derive(Debug)]
struct Events(HubEvents);

impl Events {
    async fn next_view(&mut self) -> Option<EventView> {
        loop {
            if let Some(view) = EventView::of(&self.0.recv().await?) {
                return Some(view);
            }
        }
    }
}

impl Supply for Events {
    type Item = EventView;

    async fn next(&mut self) -> Option<EventView> {
        self.next_view().await
    }
}

/// Events, as calls of the program.
struct Told {
    events: Events,
    callback: EventFn,
}

type EventFn = unsafe extern "C" fn(user_data: *mut c_void, event: *const bh_event);

impl Source for Told {
    async fn next(&mut self) -> Option<Call> {
        let callback = self.callback;
        let event = Arc::new(self.events.next_view().await?);
        Some(Call::new(move |user_data| {
            let event = Borrowed::<bh_event>::new(event);
            // SAFETY: the program gave this function to be called with this pointer and an event.
            unsafe { callback(user_data, event.as_ptr()) };
        }))
    }
}

/// Called with each event; `event` is valid only during the call.
pub type bh_event_callback = Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const bh_event)>;

/// Releases what a callback's `user_data` points to. It is called exactly once, also when the function that was given it
/// fails, on the thread that ends the callback or on one of the library's. It must be quick, and must not wait: functions
/// of this library that would return BH_STATUS_WOULD_DEADLOCK, and those that free do not wait for what they end. In the
/// child of a fork() it is not called for what the parent had set up.
pub type bh_drop_callback = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Calls `callback` for everything that happens to instances from now on.
///
/// Callbacks of one hub are called on one thread of its own, one after the other. They may call every function of this
/// library, and may take their time: what comes meanwhile waits in a queue, and what does not fit into it is counted by
/// an event BH_EVENT_KIND_MISSED. They must not throw C++ exceptions or longjmp() out.
///
/// @param hub             must not be NULL.
/// @param callback        must not be NULL.
/// @param user_data       may be NULL; given to the callback as it is.
/// @param drop_user_data  may be NULL; called once with `user_data` when the callback will not be called any more.
/// @param subscription    must not be NULL; receives what ends the calls: bh_subscription_free().
/// @param error           may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_CLOSED, BH_STATUS_FORKED.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hub_on_event(
    hub: *const bh_hub,
    callback: bh_event_callback,
    user_data: *mut c_void,
    drop_user_data: bh_drop_callback,
    subscription: *mut *mut bh_subscription,
    error: *mut *mut bh_error,
) -> bh_status {
    let user_data = UserData::new(user_data, drop_user_data as DropFn);
    let subscribe = || {
        // SAFETY: the header asks for a hub or NULL.
        let running = unsafe { inside(hub) }?;
        running.check_open()?;
        let callback = callback.ok_or_else(|| Failure::argument("`callback` must not be NULL"))?;
        if subscription.is_null() {
            return Err(Failure::argument("`subscription` must not be NULL"));
        }
        let events = Events(running.hub.events());
        let started = Subscription::start(&running, user_data, Told { events, callback });
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { subscription.write(give(Arc::new(started))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, subscribe) }
}

/// A queue of events, for programs that take them when they are ready.
#[derive(Debug)]
pub struct bh_events {
    _private: (),
}

impl Opaque for bh_events {
    type Object = Mailbox<EventView>;
    const NAME: &'static str = "queue of events";
}

/// Opens a queue of everything that happens to instances from now on.
///
/// @param hub     must not be NULL.
/// @param events  must not be NULL; receives the queue, which the caller frees with bh_events_free().
/// @param error   may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_CLOSED, BH_STATUS_FORKED.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_hub_events(
    hub: *const bh_hub,
    events: *mut *mut bh_events,
    error: *mut *mut bh_error,
) -> bh_status {
    let open = || {
        // SAFETY: the header asks for a hub or NULL.
        let running = unsafe { inside(hub) }?;
        running.check_open()?;
        if events.is_null() {
            return Err(Failure::argument("`events` must not be NULL"));
        }
        let mailbox = Mailbox::fill(&running, Events(running.hub.events()));
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { events.write(give(Arc::new(mailbox))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, open) }
}

/// Takes the next event.
///
/// @param events      must not be NULL.
/// @param timeout_ms  how long to wait; 0 does not wait, BH_FOREVER (or any negative number) waits until something comes.
/// @param event       must not be NULL; receives the event, which the caller frees with bh_event_free().
/// @param error       may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_TIMEOUT, BH_STATUS_CLOSED when the hub has ended and all events were taken,
///         BH_STATUS_BUSY when another thread is waiting here, BH_STATUS_WOULD_DEADLOCK in a log callback,
///         BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
///
/// Threads: any, one at a time; waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_events_next(
    events: *const bh_events,
    timeout_ms: i32,
    event: *mut *mut bh_event,
    error: *mut *mut bh_error,
) -> bh_status {
    let next = || {
        // SAFETY: the header asks for a queue or NULL.
        let events = unsafe { inside(events) }?;
        if event.is_null() {
            return Err(Failure::argument("`event` must not be NULL"));
        }
        let view = events.next("hub", wait_time(timeout_ms))?;
        // SAFETY: not null, and the header asks for a place for a pointer.
        unsafe { event.write(give(Arc::new(view))) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, next) }
}

/// A descriptor for an event loop: it is readable (on Windows: set) when there may be an event, or the hub has ended. Then
/// call bh_events_next() with a time-out of 0 until it returns something else than BH_STATUS_OK. It belongs to the queue and
/// lives as long: do not read from it, reset it or close it.
///
/// @param events      must not be NULL.
/// @param descriptor  must not be NULL; receives the descriptor, the same each time.
/// @param error       may be NULL; on failure receives an error, which the caller frees.
/// @return BH_STATUS_OK, BH_STATUS_IO, BH_STATUS_INVALID_ARGUMENT, BH_STATUS_INVALID_HANDLE, BH_STATUS_FORKED.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_events_descriptor(
    events: *const bh_events,
    descriptor: *mut bh_descriptor,
    error: *mut *mut bh_error,
) -> bh_status {
    let get = || {
        // SAFETY: the header asks for a queue or NULL.
        let events = unsafe { inside(events) }?;
        if descriptor.is_null() {
            return Err(Failure::argument("`descriptor` must not be NULL"));
        }
        let found = events.descriptor()?;
        // SAFETY: not null, and the header asks for a place for a descriptor.
        unsafe { descriptor.write(found) };
        Ok(())
    };
    // SAFETY: the contract of `error` is the same.
    unsafe { boundary(error, get) }
}

/// Frees a queue. NULL is fine. A thread that waits in bh_events_next() gets BH_STATUS_CLOSED.
///
/// Threads: any; if it was the last handle of its hub, waits for its threads to end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_events_free(events: *mut bh_events) {
    boundary_void(|| {
        // SAFETY: the header asks for a queue or NULL.
        let Some(events) = (unsafe { retire(events) })? else { return Ok(()) };
        events.close();
        let_go(events, |events| events.running().is_here());
        Ok(())
    });
}

/// What happened: one of bh_event_kind; 0 if `event` is NULL or was freed.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_event_get_kind(event: *const bh_event) -> i32 {
    // SAFETY: the header asks for an event or NULL.
    unsafe { get(event, 0, |event| event.kind as i32) }
}

/// The name of a kind of event, such as "state_changed"; "unknown" for a number that this version does not know. The text
/// is constant.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub extern "C" fn bh_event_kind_name(kind: i32) -> *const c_char {
    let name = match kind {
        1 => c"appeared",
        2 => c"state_changed",
        3 => c"alias_changed",
        4 => c"gone",
        5 => c"missed",
        _ => c"unknown",
    };
    name.as_ptr()
}

/// The name of a state, such as "active"; "unknown" for a number that this version does not know. The text is constant.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub extern "C" fn bh_state_name(state: i32) -> *const c_char {
    let name = match state {
        1 => c"discovered",
        2 => c"connecting",
        3 => c"active",
        4 => c"retrying",
        5 => c"dead",
        _ => c"unknown",
    };
    name.as_ptr()
}

/// The instance that it happened to, as it was then; it lives as long as the event. NULL for BH_EVENT_KIND_MISSED.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_event_instance(event: *const bh_event) -> *const bh_instance {
    let find = |event: &EventView| event.instance.as_ref().map_or(ptr::null(), InstanceView::shown);
    // SAFETY: the header asks for an event or NULL.
    unsafe { get(event, ptr::null(), find) }
}

/// The former state, one of bh_state, for BH_EVENT_KIND_STATE_CHANGED; else 0.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_event_previous_state(event: *const bh_event) -> i32 {
    // SAFETY: the header asks for an event or NULL.
    unsafe { get(event, 0, |event| event.previous) }
}

/// How many events were dropped, for BH_EVENT_KIND_MISSED; else 0.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_event_missed(event: *const bh_event) -> u64 {
    // SAFETY: the header asks for an event or NULL.
    unsafe { get(event, 0, |event| event.missed) }
}

/// Frees an event that bh_events_next() gave. NULL is fine. Events that a callback gets are not freed by it.
///
/// Threads: any; never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bh_event_free(event: *mut bh_event) {
    // SAFETY: the header asks for an event or NULL.
    boundary_void(|| unsafe { retire(event) }.map(drop));
}
