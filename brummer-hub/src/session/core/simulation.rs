//! A seeded simulator of the core: a scripted client and scripted instances do whatever comes into their heads, in virtual
//! time, and after each step the promises of the core are checked from outside.
//!
//! ```text
//!  seed ──▶ Schedule ──▶ World ──Event──▶ Core ──Effect──▶ World
//!                         ├ client       what it has asked, what it was told                  checks answers
//!                         └ instances    what each life of them got on each link, and owes    checks requests
//! ```

pub(in crate::session) mod client;
pub(in crate::session) mod instances;
pub(in crate::session) mod schedule;
mod world;

use self::{schedule::try_all, world::World};

/// How many schedules an ordinary run tries.
const SCHEDULES: u64 = 500;

/// What happens in a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    // The client.
    Ask,
    AskAgain,
    Batch,
    Cancel,
    Note,
    Reply,
    Resume,
    Garbage,
    // The instances.
    Welcome,
    Renew,
    Answer,
    AnswerTwice,
    End,
    Progress,
    Question,
    Withdraw,
    Tell,
    Spoof,
    FailLink,
    Miss,
    // The world.
    Change,
    Start,
    Kill,
    Restart,
    Stall,
    Roots,
    Pass,
}

type Step = schedule::Step<What>;

/// How often each happens, in relation to the others.
const WEIGHTS: [(What, u32); 27] = [
    (What::Ask, 30),
    (What::AskAgain, 1),
    (What::Batch, 3),
    (What::Cancel, 6),
    (What::Note, 4),
    (What::Reply, 6),
    (What::Resume, 4),
    (What::Garbage, 1),
    (What::Welcome, 10),
    (What::Renew, 2),
    (What::Answer, 40),
    (What::AnswerTwice, 1),
    (What::End, 3),
    (What::Progress, 5),
    (What::Question, 6),
    (What::Withdraw, 2),
    (What::Tell, 6),
    (What::Spoof, 6),
    (What::FailLink, 2),
    (What::Miss, 2),
    (What::Change, 6),
    (What::Start, 2),
    (What::Kill, 1),
    (What::Restart, 2),
    (What::Stall, 2),
    (What::Roots, 2),
    (What::Pass, 10),
];

#[test]
fn the_core_keeps_its_promises_in_any_schedule() {
    try_all(&WEIGHTS, SCHEDULES, |schedule, told| {
        let mut world = World::new(schedule.setup, told.is_some());
        let run = || {
            for step in &schedule.steps {
                world.step(*step)?;
            }
            world.end()
        };
        let result = schedule::caught(run);
        if let Some(told) = told {
            *told = world.told();
        }
        result
    });
}
