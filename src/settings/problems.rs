//! Everything that is wrong with a configuration, as the operator reads it: one fault a line, each with its source, its
//! key and its cure. Not for what is right or wrong: the readers beside it decide that.

use std::fmt;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, environment variable or command line that holds the value, or the file in which it is missing.
    pub origin: String,
    /// Dotted, such as `networks.polygon.quorum`; empty where a whole file is at fault.
    pub key: String,
    /// What is wrong, and the cure. Holds no secret.
    pub fault: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() { String::new() } else { format!(" {}:", self.key) };
        let line = format!("{}:{key} {}", self.origin, self.fault);
        f.write_str(&line.replace(char::is_control, "\u{fffd}"))
    }
}

/// All faults at once, in the order of the keys. Prints as one line each; the process then exits with 78.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds a fault.
    pub(super) fn add(&mut self, origin: impl Into<String>, key: impl Into<String>, fault: impl Into<String>) {
        self.0.push(Problem { origin: origin.into(), key: key.into(), fault: fault.into() });
    }

    /// Adds all of `other`.
    pub(super) fn append(&mut self, mut other: Problems) {
        self.0.append(&mut other.0);
    }

    /// True where nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// A value as an error may show it: whatever looks like an address on the net, or is long, may be a secret in the wrong
/// place and is not repeated.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 48;
    if text.contains("//") || text.contains('@') || text.len() > LONGEST {
        "the value".to_owned()
    } else {
        format!("{text:?}")
    }
}

/// What to do about a key that nobody reads: the likeliest meant one, or all there are.
pub(super) fn unknown(key: &str, valid: &[&str]) -> String {
    match nearest(key, valid) {
        Some(candidate) => format!("is no key; did you mean `{candidate}`?"),
        None => format!("is no key; the keys here are {}", valid.join(", ")),
    }
}

/// The valid name that `text` most likely was to be, where one is near enough.
pub fn nearest<'v>(text: &str, valid: &[&'v str]) -> Option<&'v str> {
    let nearest = valid.iter().min_by_key(|candidate| distance(text, candidate));
    let near = (text.len() / 2).clamp(1, 4);
    nearest.copied().filter(|candidate| distance(text, candidate) <= near)
}

/// Levenshtein distance: how many letters to add, drop or change.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, x) in a.chars().take(64).enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        for (column, cell) in row.iter_mut().enumerate() {
            let above = *cell;
            if let Some(y) = column.checked_sub(1).and_then(|at| b.chars().nth(at)) {
                let changed = diagonal.saturating_add(usize::from(x != y));
                left = changed.min(above.saturating_add(1)).min(left.saturating_add(1));
            }
            diagonal = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        for (a, b, letters) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), letters, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_key_is_named_or_else_all() {
        assert_eq!(unknown("quorun", &["verify", "quorum"]), "is no key; did you mean `quorum`?");
        assert_eq!(unknown("zzz", &["verify", "quorum"]), "is no key; the keys here are verify, quorum");
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        assert_eq!(shown("12x"), "\"12x\"");
        for secret in ["https://rpc.example/key", "user@host", &"x".repeat(49)] {
            assert_eq!(shown(secret), "the value");
        }
    }

    #[test]
    fn a_fault_is_one_line() {
        let mut problems = Problems::default();
        problems.add("a.toml", "x\ny", "is wrong\r\nbadly");
        problems.add("b.toml", "", "cannot be read");
        assert_eq!(problems.to_string().lines().count(), 2);
    }
}
