//! The languages that customers are spoken to in. Not for the words themselves.

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    En,
    /// French.
    Fr,
}

impl Language {
    /// All of them; the first is spoken where nobody said which.
    pub const ALL: [Language; 2] = [Language::En, Language::Fr];

    /// As requests and the column have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::En => "EN",
            Language::Fr => "FR",
        }
    }

    /// Reads `EN` or `FR`.
    pub fn parse(text: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_read_as_it_is_written() {
        assert!(Language::ALL.into_iter().all(|one| Language::parse(one.as_str()) == Some(one)));
        assert!(["", "en", "DE", "EN "].into_iter().all(|text| Language::parse(text).is_none()));
    }
}
