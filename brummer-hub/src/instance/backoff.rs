//! How long to wait before the next attempt.

use std::time::Duration;

use crate::config::HealthConfig;

/// Doublings after which the longest pause is certainly reached: 2^20 times even a millisecond is a quarter of an hour.
const MAX_DOUBLINGS: u32 = 20;

/// The pause before attempt number `tries` (from 0), with full jitter: anything between nothing and the bound that
/// doubles with each try. Spreading over the whole range keeps instances that died together from being tried together.
/// `jitter` is a random number in `[0, 1)`.
pub(super) fn pause(health: &HealthConfig, tries: u32, jitter: f64) -> Duration {
    let bound = health.retry_first.saturating_mul(1 << tries.min(MAX_DOUBLINGS)).min(health.retry_max);
    bound.mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_up_to_the_longest_pause() {
        let health = HealthConfig::default();
        let bounds: Vec<_> = (0..8).map(|tries| pause(&health, tries, 1.0).as_millis()).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    proptest! {
        #[test]
        fn is_never_longer_than_the_bound(tries: u32, jitter in 0.0..1.0) {
            let health = HealthConfig::default();
            prop_assert!(pause(&health, tries, jitter) <= health.retry_max);
            prop_assert_eq!(pause(&health, tries, 0.0), Duration::ZERO);
        }
    }
}
