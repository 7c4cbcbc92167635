//! Durations as people write them.

use std::time::Duration;

/// No wait of the command is longer than a day: a larger number is a slip.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads `500ms`, `5s`, `2m` or `1h`; fractions such as `1.5s` too.
///
/// # Errors
///
/// In words that show the right form. Zero and more than a day are refused.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds_per_unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "" => return Err(format!("a unit is missing; write `{text}s` for seconds")),
        _ => return Err("expected a number and one of `ms`, `s`, `m`, `h`, as in `500ms` or `2m`".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "expected a number, as in `500ms` or `2m`".to_owned())?;
    match Duration::try_from_secs_f64(number * seconds_per_unit) {
        Ok(duration) if duration < Duration::from_millis(1) => Err("must be at least 1ms".to_owned()),
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) | Err(_) => Err("must be at most 24h".to_owned()),
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
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(parse_duration("5"), Err("a unit is missing; write `5s` for seconds".to_owned()));
        for (text, expected) in [
            ("0s", "at least 1ms"),
            ("0.2ms", "at least 1ms"),
            ("25h", "at most 24h"),
            ("999999999999999999999h", "at most 24h"),
            ("-1s", "expected a number"),
            ("s", "expected a number"),
            ("1.2.3s", "expected a number"),
            ("", "unit is missing"),
            ("5 s", "expected a number"),
            ("5d", "expected a number"),
        ] {
            let message = parse_duration(text).unwrap_err();
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }
}
