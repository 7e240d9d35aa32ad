//! Phone numbers and countries: whether a number can be one, and whether it is of the country that was said. Pure. Lengths
//! and patterns are those of libphonenumber; a number that it knows to be no one's yet may still be somebody's tomorrow, so
//! its length alone decides whether it can be one.

use isocountry::CountryCode;
use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};

/// Digits of the longest calling code.
const CODE_DIGITS: usize = 3;

/// A number taken apart: the regions of its calling code in which so many digits are a number, and those digits.
struct Number<'n> {
    regions: Vec<&'static Metadata>,
    national: &'n str,
}

/// A number with its country's calling code, as digits; and of this country, where that was said and is one.
pub(super) fn number(text: &str, country: Option<&str>) -> Result<(), String> {
    if !(1..=15).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("must be 1 to 15 digits, the country's calling code first, without + and spaces".to_owned());
    }
    if text.starts_with('0') {
        return Err("must begin with a country's calling code, not with 0".to_owned());
    }
    let number = Number::read(text)?;
    match country.and_then(|alpha3| CountryCode::for_alpha3(alpha3).ok()) {
        Some(said) if !number.can_be_of(said) => Err(format!("is no number of {}, the country", said.alpha3())),
        Some(_) | None => Ok(()),
    }
}

/// ISO 3166-1 alpha-3, in capitals.
pub(super) fn country(text: &str) -> Result<String, String> {
    let known = CountryCode::for_alpha3(text).is_ok();
    if known { Ok(text.to_owned()) } else { Err("must be an ISO 3166-1 alpha-3 code such as FRA".to_owned()) }
}

impl Number<'_> {
    fn read(text: &str) -> Result<Number<'_>, String> {
        // No calling code begins with another one.
        let split = (1..=CODE_DIGITS).find_map(|digits| {
            let (code, national) = text.split_at_checked(digits)?;
            Some((DATABASE.by_code(&code.parse::<u16>().ok()?)?, national))
        });
        let (mut regions, national) = split.ok_or_else(|| "begins with no country's calling code".to_owned())?;
        regions.retain(|region| has_length(region, national));
        match regions.is_empty() {
            true => Err("has not as many digits as a number of its country has".to_owned()),
            false => Ok(Number { regions, national }),
        }
    }

    /// Where some region knows the number as its own, it is of those regions; where none does, of any with its code.
    fn can_be_of(&self, country: CountryCode) -> bool {
        let mut own = self.regions.iter().filter(|region| knows(region, self.national)).peekable();
        match own.peek() {
            Some(_) => own.any(|region| within(region, country)),
            None => self.regions.iter().any(|region| within(region, country)),
        }
    }
}

/// What a region has numbers for. Their lengths stand there, and not at its general description.
fn kinds(region: &Metadata) -> impl Iterator<Item = &Descriptor> {
    let all = region.descriptors();
    let kinds = [
        all.mobile(),
        all.fixed_line(),
        all.voip(),
        all.personal_number(),
        all.pager(),
        all.uan(),
        all.voicemail(),
        all.toll_free(),
        all.premium_rate(),
        all.shared_cost(),
    ];
    kinds.into_iter().flatten()
}

fn has_length(region: &Metadata, national: &str) -> bool {
    let length = u16::try_from(national.len()).unwrap_or(u16::MAX);
    kinds(region).any(|kind| kind.possible_length().contains(&length))
}

/// By its leading digits or by one of its patterns: the Isle of Man has numbers that only the latter tell of.
fn knows(region: &Metadata, national: &str) -> bool {
    let leads = region.leading_digits().and_then(|leading| leading.find(national));
    leads.is_some_and(|found| found.start() == 0) || kinds(region).any(|kind| whole(kind, national))
}

/// `Descriptor::is_match` is content with the beginning.
fn whole(kind: &Descriptor, national: &str) -> bool {
    let found = kind.national_number().find(national);
    found.is_some_and(|found| found.start() == 0 && found.end() == national.len()) && kind.is_match(national)
}

/// Ascension and Tristan da Cunha have numbers of their own and a country's code with Saint Helena.
fn within(region: &Metadata, country: CountryCode) -> bool {
    let alpha2 = match region.id() {
        "AC" | "TA" => "SH",
        other => other,
    };
    alpha2 == country.alpha2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_of_their_country_and_of_no_other() {
        for (text, own, others) in [
            ("33612345678", &["FRA"][..], &["GBR", "REU", "USA"][..]),
            ("260763456789", &["ZMB"], &["ZWE", "ZAF"]),
            // +1: the region decides, not the code.
            ("12025550123", &["USA"], &["CAN", "JAM", "MEX"]),
            ("16135550123", &["CAN"], &["USA", "BHS"]),
            ("18765550123", &["JAM"], &["USA", "CAN"]),
            ("12425550123", &["BHS"], &["USA"]),
            // +44, +7, +262, +590, +358, +47, +61, +212, +599
            ("447400123456", &["GBR"], &["GGY", "JEY", "IMN", "FRA"]),
            ("447781123456", &["GGY"], &["GBR", "JEY"]),
            ("447797712345", &["JEY"], &["GBR", "GGY"]),
            ("447924123456", &["IMN"], &["GGY", "JEY"]),
            ("447624123456", &["IMN"], &["GBR", "GGY", "JEY"]),
            ("79161234567", &["RUS"], &["KAZ"]),
            ("77710009998", &["KAZ"], &["RUS"]),
            ("262692123456", &["REU"], &["MYT", "FRA"]),
            ("262639012345", &["MYT"], &["REU"]),
            ("590690001234", &["GLP", "BLM", "MAF"], &["MTQ", "FRA"]),
            ("358412345678", &["FIN"], &["SWE"]),
            ("4741234567", &["NOR"], &["DNK"]),
            ("61412345678", &["AUS"], &["NZL"]),
            ("212650123456", &["MAR"], &["DZA"]),
            ("59995181234", &["CUW"], &["BES"]),
            ("5997151234", &["BES"], &["CUW"]),
            ("24740123", &["SHN"], &["GBR"]),
            ("390612345678", &["ITA"], &["FRA"]),
        ] {
            assert_eq!(number(text, None), Ok(()), "{text}");
            for alpha3 in own {
                assert_eq!(number(text, Some(alpha3)), Ok(()), "{text} {alpha3}");
            }
            for alpha3 in others {
                assert!(number(text, Some(alpha3)).is_err(), "{text} {alpha3}");
            }
        }
        // 555 is nobody's area: only the calling code can be told.
        for alpha3 in ["USA", "CAN", "JAM"] {
            assert_eq!(number("15550100000", Some(alpha3)), Ok(()), "{alpha3}");
        }
        assert!(number("15550100000", Some("FRA")).is_err());
        // What is no country is told at its own field.
        assert_eq!(number("33612345678", Some("XXX")), Ok(()));
    }

    #[test]
    fn what_cannot_be_a_number_is_refused() {
        for text in [
            "",
            "0",
            "0612345678",
            "0033612345678",
            "+33612345678",
            "33 612345678",
            "33-612345678",
            "3361234567",
            "336123456789",
            "33",
            "1",
            "1202555012",
            "120255501234",
            "2999999",
            "210123456789",
            "99912345678",
            "٣٣٦١٢٣٤٥٦٧٨",
            "3361234567x",
            "3361234567890123",
            "33612345678\n",
        ] {
            assert!(number(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn countries_are_those_of_the_standard() {
        assert_eq!(CountryCode::iter().count(), 249);
        for text in ["FRA", "GBR", "ZMB", "COD", "SSD", "CUW", "ALA", "UMI", "TWN", "PSE"] {
            assert_eq!(country(text).as_deref(), Ok(text));
        }
        for text in ["", "fra", "FR", "FRAN", "XKX", "ANT", "YUG", "ZAR", "EUR", "UKR ", "ÅLA", "000"] {
            assert!(country(text).is_err(), "{text}");
        }
    }
}
