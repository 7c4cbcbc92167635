//! Ids that servers write in another notation than they were given.

/// Whether an id in another notation means this number: some servers answer `"7"`, `7.0` or `7e0` to `7`.
pub(crate) fn means(found: Option<&str>, id: u64) -> bool {
    meant(found) == Some(id)
}

/// The number that an id means in whatever notation.
pub(crate) fn meant(found: Option<&str>) -> Option<u64> {
    let found = found?;
    let digits = found.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(found);
    digits.parse().ok().or_else(|| whole(digits.parse().ok()?))
}

/// A float as the whole number that it is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "what is lost makes the two differ"
)]
fn whole(float: f64) -> Option<u64> {
    let number = float as u64;
    (number as f64 == float).then_some(number)
}
