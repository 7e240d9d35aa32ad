//! How a good text is damaged: bytes and whole words exchanged, dropped, doubled, the end cut off. Damage that keeps most
//! of a text whole gets deeper than noise does. Not for what must hold afterwards.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Words that readers of numbers, texts and JSON stumble over.
const WORDS: [&str; 24] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "0",
    "-1",
    "1e999",
    "\"0x\"",
    "\"0x0\"",
    "\"0xffffffffffffffff\"",
    "\"0x10000000000000000\"",
    "18446744073709551616",
    "0.1",
    "\\u0000",
    "\u{202e}",
    "é",
    "\"",
    "\\",
    "{",
    "[",
    ",",
    "'",
    "\n",
];

/// One change of a text.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    /// A byte becomes another.
    Byte(Index, u8),
    /// Some bytes vanish.
    Drop(Index, usize),
    /// Some bytes come twice.
    Double(Index, usize),
    /// A word takes the place of some bytes.
    Word(Index, usize, usize),
    /// A value of JSON, or a word, becomes another of the same text.
    Swap(Index, Index),
    /// The end is missing.
    Cut(Index),
}

/// Up to six changes.
pub(crate) fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let at = any::<Index>;
    let change = prop_oneof![
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        2 => (at(), 1..80_usize).prop_map(|(at, length)| Damage::Drop(at, length)),
        1 => (at(), 1..400_usize).prop_map(|(at, length)| Damage::Double(at, length)),
        4 => (at(), 0..20_usize, 0..WORDS.len()).prop_map(|(at, length, word)| Damage::Word(at, length, word)),
        6 => (at(), at()).prop_map(|(from, to)| Damage::Swap(from, to)),
        1 => at().prop_map(Damage::Cut),
    ];
    vec(change, 0..6)
}

/// The text after all of it.
pub(crate) fn damaged(text: &str, damages: &[Damage]) -> Vec<u8> {
    damages.iter().fold(text.as_bytes().to_vec(), after)
}

fn after(mut bytes: Vec<u8>, damage: &Damage) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    let end = |at: usize, length: usize, most: usize| (at + length).min(most);
    match damage {
        Damage::Byte(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Damage::Drop(at, length) => {
            let at = at.index(bytes.len());
            bytes.drain(at..end(at, *length, bytes.len()));
        }
        Damage::Double(at, length) => {
            let at = at.index(bytes.len());
            let piece = bytes[at..end(at, *length, bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
        Damage::Word(at, length, word) => {
            let at = at.index(bytes.len());
            bytes.splice(at..end(at, *length, bytes.len()), WORDS[*word].bytes());
        }
        Damage::Swap(from, to) => {
            let values = values(&bytes);
            if !values.is_empty() {
                let (from, to) = (&values[from.index(values.len())], &values[to.index(values.len())]);
                let piece = bytes[from.clone()].to_vec();
                bytes.splice(to.clone(), piece);
            }
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
    }
    bytes
}

/// Where quoted texts stand, quotes included.
fn values(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let quotes: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'"').collect();
    quotes.chunks_exact(2).map(|pair| pair[0]..pair[1] + 1).collect()
}

/// As many cases as `FUZZ_CASES` says, else so many; seeded by proptest, which prints what failed.
pub(crate) fn cases(brief: u32) -> ProptestConfig {
    let cases = std::env::var("FUZZ_CASES").ok().map_or(brief, |text| text.parse().expect("FUZZ_CASES is a number"));
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() }
}
