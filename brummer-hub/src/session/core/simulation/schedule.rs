//! Schedules of a simulator: what happens in which order, made from a seed.
//!
//! A schedule that fails is made as short as it gets, and printed with its seed and with all that was said.
//! `BRUMMER_SCHEDULES` says how many are tried, `BRUMMER_SEED` from which seed on.

use std::{
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How many times a schedule is run again to make it shorter.
const SHRINKS: usize = 2000;

/// One step. The numbers choose among what there is at that moment, so that every part of a schedule is a schedule.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Step<What> {
    pub(in crate::session) what: What,
    pub(in crate::session) pick: u32,
    pub(in crate::session) how: u32,
}

#[derive(Clone, Debug)]
pub(in crate::session) struct Schedule<What> {
    /// How the world is made.
    pub(in crate::session) setup: u32,
    pub(in crate::session) steps: Vec<Step<What>>,
}

impl<What: Copy> Schedule<What> {
    fn of(seed: u64, weights: &[(What, u32)]) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let setup = random.u32(..);
        let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
        let steps = (0..random.usize(10..90)).map(|_| {
            let mut at = random.u32(..total);
            let found = weights.iter().find(|(_, weight)| {
                let is_it = at < *weight;
                at = at.saturating_sub(*weight);
                is_it
            });
            let (what, _) = found.expect("the number is below the sum of the weights");
            Step { what: *what, pick: random.u32(..), how: random.u32(..) }
        });
        Self { setup, steps: steps.collect() }
    }

    /// A part of it that breaks the same promise, as short as a few attempts make it.
    fn shrunk(mut self, why: &str, run: impl Fn(&Self) -> Result<(), String>) -> Self {
        let breaks = |it: &Self| run(it).is_err_and(|other| promise(&other) == promise(why));
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

/// A panic is a broken promise too.
pub(in crate::session) fn caught(run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("a panic".to_owned()))
}

/// Tries as many schedules as the environment says, or `default`. `run` says which promise is broken, and puts what was
/// said into its second argument.
pub(in crate::session) fn try_all<What: Copy + Debug>(
    weights: &[(What, u32)],
    default: u64,
    run: impl Fn(&Schedule<What>, Option<&mut Vec<String>>) -> Result<(), String>,
) {
    let first = number("BRUMMER_SEED", 1);
    for seed in first..first + number("BRUMMER_SCHEDULES", default) {
        let schedule = Schedule::of(seed, weights);
        let Err(why) = run(&schedule, None) else { continue };
        let short = schedule.shrunk(&why, |it| run(it, None));
        let mut trace = Vec::new();
        let still = run(&short, Some(&mut trace)).err().unwrap_or_default();
        panic!(
            "seed {seed}: {why}\n\nshrunk to {} steps: {still}\n{short:#?}\n\nwhat was said:\n{}",
            short.steps.len(),
            trace.join("\n"),
        );
    }
}
