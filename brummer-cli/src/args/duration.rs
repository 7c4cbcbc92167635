//! Durations as people write them.

use std::time::Duration;

use jiff::SignedDuration;

/// No wait of the command is longer than a day: a larger number is a slip.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `500ms`, `5s`, `2m` or `1h`; fractions such as `1.5s`, and `1h30m`, too.
///
/// # Errors
///
/// In words that show the right form. Zero and more than a day are refused.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.parse::<f64>().is_ok_and(|number| number >= 0.0) {
        return Err(format!("a unit is missing; write `{text}s` for seconds"));
    }
    let duration: Result<SignedDuration, _> = text.parse();
    let duration = duration.ok().and_then(|it| Duration::try_from(it).ok());
    match duration.ok_or("expected a number and one of `ms`, `s`, `m`, `h`, as in `500ms` or `2m`")? {
        short if short < Duration::from_millis(1) => Err("must be at least 1ms".to_owned()),
        long if long > LONGEST => Err("must be at most 24h".to_owned()),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_fractions() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("24h"), Ok(LONGEST));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(90 * 60)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(parse_duration("5"), Err("a unit is missing; write `5s` for seconds".to_owned()));
        for (text, expected) in [
            ("0s", "at least 1ms"),
            ("0.2ms", "at least 1ms"),
            ("25h", "at most 24h"),
            ("999999999999999999999h", "expected a number"),
            ("-1s", "expected a number"),
            ("s", "expected a number"),
            ("1.2.3s", "expected a number"),
            ("", "expected a number"),
            ("5d", "expected a number"),
        ] {
            let message = parse_duration(text).unwrap_err();
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }
}
