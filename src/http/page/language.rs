//! In which language a customer is spoken to: the one he asked for, else the one the business asked for, else what his
//! browser prefers, else English. Not for the words ([`super::words`]).

use crate::domain::Language;

/// The language of a payment's page.
pub(super) fn of_payment(asked: Option<Language>, business: Option<Language>, header: Option<&str>) -> Language {
    asked.or(business).unwrap_or_else(|| of_header(header))
}

/// What `Accept-Language` prefers of ours.
pub(super) fn of_header(header: Option<&str>) -> Language {
    let ranges = header.unwrap_or_default().split(',').take(32).filter_map(range);
    // Of equals the first counts.
    let best = ranges.fold(None, |best: Option<(Language, u16)>, (language, weight)| match best {
        Some((_, heaviest)) if heaviest >= weight => best,
        Some(_) | None => Some((language, weight)),
    });
    best.map_or(Language::En, |(language, _)| language)
}

/// A range such as `fr-CA;q=0.8`: its language, if it is one of ours and wanted, and its weight in thousandths.
fn range(text: &str) -> Option<(Language, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let tag = parts.next().unwrap_or_default();
    let language = of_tag(tag.split('-').next().unwrap_or_default())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1_000), thousandths)?;
    (weight > 0).then_some((language, weight))
}

fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| digits)?;
    let whole: u16 = whole.parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(fraction).filter(|weight| *weight <= 1_000)
}

/// A language as links and documents name it, in either case.
pub(super) fn of_tag(tag: &str) -> Option<Language> {
    Language::ALL.into_iter().find(|language| tag.eq_ignore_ascii_case(self::tag(*language)))
}

/// As links and documents name a language.
pub(super) fn tag(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::Fr => "fr",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_s_preference_is_read_as_the_standard_has_it() {
        for (header, expected) in [
            ("", Language::En),
            ("fr", Language::Fr),
            ("fr-CA,fr;q=0.9,en;q=0.8", Language::Fr),
            ("de, fr;q=0.5, en;q=0.7", Language::En),
            ("en;q=0.5, FR;q=0.51", Language::Fr),
            ("fr;q=0, en;q=0.1", Language::En),
            ("fr;q=0", Language::En),
            ("en, fr", Language::En),
            ("*", Language::En),
            ("fr;q=2, en;q=0.1", Language::En),
            ("fr;q=x", Language::En),
            ("french", Language::En),
        ] {
            assert_eq!(of_header(Some(header)), expected, "{header}");
        }
    }

    #[test]
    fn what_the_customer_asks_for_comes_first() {
        let (en, fr) = (Some(Language::En), Some(Language::Fr));
        assert_eq!(of_payment(en, fr, Some("fr")), Language::En);
        assert_eq!(of_payment(None, fr, Some("en")), Language::Fr);
        assert_eq!(of_payment(None, None, Some("fr")), Language::Fr);
        assert_eq!((of_tag("FR"), of_tag("x")), (fr, None));
    }
}
