//! Passes over text in which none of many words can begin, for a few instructions a byte.
//!
//! Each step of an automaton waits for the one before. Here each place is looked at by itself: the three bytes there, in either
//! case, are hashed into a table that knows the beginnings of all words. Where they are in it, and the byte behind them may follow,
//! a word may begin; the automaton decides.

/// The table has a byte for each value of so many bits: 32 KiB, which stay in the cache beside the text.
const BITS: u32 = 15;

/// A letter's case is this bit. Other bytes that it maps to each other are told apart by the automaton.
const CASE: u64 = 0x2020_2020_2020_2020;

/// Spreads three bytes over the table.
const SPREAD: u32 = 0x9E37_79B1;

/// Places that are looked at together.
const STRIDE: usize = 4;

/// The shortest word that is told by more than its first byte.
const SHORTEST: usize = 2;

/// Any byte may be the fourth.
const ANY: u8 = u8::MAX;

#[derive(Debug)]
pub(super) struct Sieve {
    /// For each beginning of three bytes: which may be the fourth, by [`kind`]. None where no word begins so.
    table: Box<[u8; 1 << BITS]>,
}

impl Sieve {
    /// For these words.
    pub(super) fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sieve = Self { table: Box::new([0; 1 << BITS]) };
        for word in words {
            match *word.as_bytes() {
                [first, second, third, fourth, ..] => sieve.set([first, second, third], kind(fourth)),
                [first, second, third] => sieve.set([first, second, third], ANY),
                [first, second] => (0..=u8::MAX).for_each(|third| sieve.set([first, second, third], ANY)),
                // Everything may begin with it.
                _ => sieve.table.fill(ANY),
            }
        }
        sieve
    }

    fn set(&mut self, [first, second, third]: [u8; 3], fourth: u8) {
        let bytes = u64::from_le_bytes([first, second, third, 0, 0, 0, 0, 0]);
        self.table[place(bytes | CASE)] |= fourth;
    }

    /// Whether this is so for one of the places from which a word may begin. They are asked for in their order.
    pub(super) fn any(&self, text: &[u8], mut is_so: impl FnMut(usize) -> bool) -> bool {
        let mut at = 0;
        while let Some(Ok(bytes)) = text.get(at..at + 8).map(TryInto::<[u8; 8]>::try_into) {
            let folded = u64::from_le_bytes(bytes) | CASE;
            let fourth = |shift: u32| self.table[place(folded >> shift)];
            let found: [u8; STRIDE] = [fourth(0), fourth(8), fourth(16), fourth(24)];
            if found != [0; STRIDE]
                && (0..STRIDE).any(|index| found[index] & kind(bytes[index + 3]) != 0 && is_so(at + index))
            {
                return true;
            }
            at += STRIDE;
        }
        (at..text.len().saturating_sub(SHORTEST - 1)).any(is_so)
    }
}

/// A bit for a byte, the same in either case.
fn kind(byte: u8) -> u8 {
    1 << (byte & 7)
}

/// Where the lowest three bytes have theirs.
fn place(bytes: u64) -> usize {
    // What is cut off does not belong to them.
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    let three = (bytes as u32) << 8;
    (three.wrapping_mul(SPREAD) >> (u32::BITS - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORDS: [&str; 5] = ["error", "*:", "×", "a3t", "port "];

    fn places(text: &str) -> Vec<usize> {
        let mut places = Vec::new();
        let found = Sieve::new(WORDS).any(text.as_bytes(), |at| {
            places.push(at);
            false
        });
        assert!(!found);
        places
    }

    #[test]
    fn most_places_are_passed_over() {
        let text = "GET /assets/chunk-0123 200 in 12 ms\n".repeat(100);
        assert!(places(&text).len() < text.len() / 20);
    }

    #[test]
    fn the_fourth_byte_counts() {
        let asked = |text: &str| {
            let mut asked = Vec::new();
            Sieve::new(["unknown ", "a3t"]).any(text.as_bytes(), |at| {
                asked.push(at);
                false
            });
            asked.retain(|at| at + 8 < text.len());
            asked
        };
        assert_eq!(asked(&"GET /chunk-1\n".repeat(10)), [0; 0]);
        assert_eq!(asked("an UNKNOWN word, then a3t and A3T again"), [3, 22, 30]);
    }

    #[test]
    fn one_is_enough() {
        let sieve = Sieve::new(WORDS);
        let mut asked = 0;
        let text = format!("{}port port", " ".repeat(30));
        assert!(sieve.any(text.as_bytes(), |at| {
            asked += 1;
            at == 30
        }));
        assert_eq!(asked, 1);
        // A word of one byte may begin everywhere.
        assert!(Sieve::new(["x"]).any(b"0123456789x", |at| at == 7));
    }

    proptest! {
        #[test]
        fn no_word_is_missed(text in "([ a-zA-Z0-9:*×]|error|ERROR|\\*:|×|A3t|Port ){0,30}") {
            let places = places(&text);
            let lower = text.to_ascii_lowercase();
            for word in WORDS {
                for (at, _) in lower.match_indices(word) {
                    prop_assert!(places.contains(&at), "{word:?} at {at} of {text:?}");
                }
            }
        }
    }
}
