//! A seeded simulator of the core: a scripted client and scripted instances do whatever comes into their heads, in virtual
//! time, and after each step the promises of the core are checked from outside.
//!
//! ```text
//!  seed ──▶ Schedule ──▶ World ──Event──▶ Core ──Effect──▶ World
//!                         ├ client       what it has asked, what it was told                  checks answers
//!                         └ instances    what each life of them got on each link, and owes    checks requests
//! ```
//!
//! A schedule that fails is made as short as it gets, and printed with its seed and with all that was said.
//! `BRUMMER_SCHEDULES` says how many are tried, `BRUMMER_SEED` from which seed on.

mod client;
mod instances;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::world::World;

/// How many schedules an ordinary run tries.
const SCHEDULES: u64 = 500;

/// How many times a schedule is run again to make it shorter.
const SHRINKS: usize = 2000;

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
    // The world.
    Change,
    Start,
    Kill,
    Restart,
    Stall,
    Roots,
    Pass,
}

/// How often each happens, in relation to the others.
const WEIGHTS: [(What, u32); 26] = [
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
    (What::Change, 6),
    (What::Start, 2),
    (What::Kill, 1),
    (What::Restart, 2),
    (What::Stall, 2),
    (What::Roots, 2),
    (What::Pass, 10),
];

/// One step. The numbers choose among what there is at that moment, so that every part of a schedule is a schedule.
#[derive(Clone, Copy, Debug)]
struct Step {
    what: What,
    pick: u32,
    how: u32,
}

#[derive(Clone, Debug)]
struct Schedule {
    /// How the world is made.
    setup: u32,
    steps: Vec<Step>,
}

impl Schedule {
    fn of(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let setup = random.u32(..);
        let total: u32 = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let steps = (0..random.usize(10..90)).map(|_| {
            let mut at = random.u32(..total);
            let found = WEIGHTS.iter().find(|(_, weight)| {
                let is_it = at < *weight;
                at = at.saturating_sub(*weight);
                is_it
            });
            Step {
                what: found.map_or(What::Pass, |(what, _)| *what),
                pick: random.u32(..),
                how: random.u32(..),
            }
        });
        Self { setup, steps: steps.collect() }
    }

    /// Runs it. `Err` says which promise is broken.
    fn run(&self, trace: Option<&mut Vec<String>>) -> Result<(), String> {
        let mut world = World::new(self.setup, trace.is_some());
        let result = catch_unwind(AssertUnwindSafe(|| {
            for step in &self.steps {
                world.step(*step)?;
            }
            world.end()
        }));
        let result = result.unwrap_or_else(|_| Err("a panic".to_owned()));
        if let Some(trace) = trace {
            *trace = world.told();
        }
        result
    }

    /// A part of it that breaks the same promise, as short as a few attempts make it.
    fn shrunk(mut self, why: &str) -> Self {
        let breaks = |it: &Self| it.run(None).is_err_and(|other| promise(&other) == promise(why));
        let mut attempts = 0;
        let mut chunk = self.steps.len().div_ceil(2);
        while chunk > 0 {
            let (mut at, mut helped) = (0, false);
            while at < self.steps.len() && attempts < SHRINKS {
                attempts += 1;
                let mut shorter = self.clone();
                shorter.steps.drain(at..(at + chunk).min(self.steps.len()));
                // Some tables are walked in no order, so that what fails rarely is given a second chance.
                if breaks(&shorter) || breaks(&shorter) {
                    (self, helped) = (shorter, true);
                } else {
                    at += chunk;
                }
            }
            chunk = if helped { chunk.min(self.steps.len()) } else { chunk / 2 };
            if attempts >= SHRINKS {
                break;
            }
        }
        self
    }
}

/// What is broken, without the particulars.
fn promise(why: &str) -> String {
    why.split(':').next().unwrap_or_default().replace(|c: char| c.is_ascii_digit(), "")
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn the_core_keeps_its_promises_in_any_schedule() {
    let first = number("BRUMMER_SEED", 1);
    for seed in first..first + number("BRUMMER_SCHEDULES", SCHEDULES) {
        let schedule = Schedule::of(seed);
        let Err(why) = schedule.run(None) else { continue };
        let short = schedule.shrunk(&why);
        let mut trace = Vec::new();
        let still = short.run(Some(&mut trace)).err().unwrap_or_default();
        panic!(
            "seed {seed}: {why}\n\nshrunk to {} steps: {still}\n{short:#?}\n\nwhat was said:\n{}",
            short.steps.len(),
            trace.join("\n"),
        );
    }
}
