//! A seeded simulator of a whole session: shell, core and upstreams as they are, between a scripted client and scripted
//! instances that speak HTTP over pipes in memory, in virtual time. Above `core::simulation` it has what that one takes
//! for granted: handshakes, sessions, streams, connections that break, and who waits for whom.
//!
//! ```text
//!  seed ──▶ Schedule ──▶ World ──▶ Shell ──▶ Core ──▶ Upstream ──HTTP in memory──▶ World
//!                         ├ client       what it has asked, what it was told            checks answers
//!                         └ lives        what came to each life of an instance          checks requests
//! ```
//!
//! Tasks choose among what is ready in no order, so that a seed says what happens and not in which order it is seen:
//! what fails once may need its seed tried some times.

mod server;
mod world;

use tokio::runtime::Builder;

use self::world::World;
use super::core::simulation::schedule::{self, caught, try_all};
use crate::upstream::socket::memory::Network;

/// How many schedules an ordinary run tries.
const SCHEDULES: u64 = 200;

/// What happens in a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    // The client.
    Ask,
    AskAgain,
    Cancel,
    Note,
    Reply,
    Resume,
    Garbage,
    Pause,
    Read,
    // The instances.
    Answer,
    Break,
    Progress,
    Question,
    Spoof,
    Cut,
    Forget,
    Freeze,
    // The world.
    Change,
    Start,
    Kill,
    Restart,
    Stall,
    Pass,
}

/// How often each happens, in relation to the others.
const WEIGHTS: [(What, u32); 23] = [
    (What::Ask, 30),
    (What::AskAgain, 1),
    (What::Cancel, 6),
    (What::Note, 4),
    (What::Reply, 6),
    (What::Resume, 4),
    (What::Garbage, 1),
    (What::Pause, 1),
    (What::Read, 2),
    (What::Answer, 40),
    (What::Break, 4),
    (What::Progress, 5),
    (What::Question, 6),
    (What::Spoof, 3),
    (What::Cut, 3),
    (What::Forget, 2),
    (What::Freeze, 2),
    (What::Change, 6),
    (What::Start, 2),
    (What::Kill, 1),
    (What::Restart, 2),
    (What::Stall, 2),
    (What::Pass, 10),
];

type Step = schedule::Step<What>;

#[test]
fn a_session_keeps_its_promises_in_any_schedule() {
    try_all(&WEIGHTS, SCHEDULES, |schedule, told| {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let network = Network::new();
        let mut said = Vec::new();
        let result = caught(|| {
            runtime.block_on(async {
                let mut world = World::new(&network, schedule.setup, told.is_some());
                let result = world.run(&schedule.steps).await;
                said = world.told();
                result
            })
        });
        if let Some(told) = told {
            *told = said;
        }
        result
    });
}
