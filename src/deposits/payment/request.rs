//! A payment as a business asks for it, held against all that can be told without its widget. Pure.

use serde_json::json;

use super::phone;
use crate::deposits::field::{self, Faults};
use crate::domain::{Fault, Language, Secret, Units};

/// Digits of an amount before its point and behind it.
const WHOLE: usize = 18;
const FRACTION: usize = 2;
/// Characters of a reason.
const REASON: usize = 50;
/// Fields of metadata, characters of their names and values, and bytes of all together.
const FIELDS: usize = 10;
const NAME: usize = 64;
const VALUE: usize = 256;
const BYTES: usize = 2_048;

/// What is asked for, as it came.
#[derive(Debug, Clone, Default)]
pub struct PaymentRequest {
    /// The business's own id: a UUIDv4.
    pub deposit_id: String,
    /// Where the customer goes afterwards.
    pub return_url: String,
    /// What a statement is to say.
    pub statement_description: Option<String>,
    /// Whole tokens; absent where the customer says how much.
    pub amount: Option<String>,
    /// The customer's phone number.
    pub msisdn: Option<Secret<String>>,
    /// `EN` or `FR`.
    pub language: Option<String>,
    /// ISO 3166-1 alpha-3.
    pub country: Option<String>,
    /// What it is for.
    pub reason: Option<String>,
    /// Whatever the business wants to find again.
    pub metadata: Vec<Metadatum>,
}

/// One field of a payment's metadata. It prints nothing of its value: that may be personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadatum {
    /// What it is.
    pub name: String,
    /// What it says.
    pub value: Secret<String>,
    /// It is about a person: sealed, and shown only to who asks for it.
    pub pii: bool,
}

/// A request that makes sense by itself.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) deposit_id: String,
    pub(super) return_url: String,
    pub(super) statement: Option<String>,
    pub(super) amount: Option<String>,
    pub(super) msisdn: Option<Secret<String>>,
    pub(super) language: Option<Language>,
    pub(super) country: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) metadata: Vec<Metadatum>,
}

/// Every fault at once.
pub(super) fn check(asked: &PaymentRequest) -> Result<Checked, Vec<Fault>> {
    let mut faults = Faults::default();
    let deposit_id = faults.note("depositId", uuid(&asked.deposit_id));
    faults.note("returnUrl", link(&asked.return_url));
    faults.note("statementDescription", given(&asked.statement_description, statement));
    let amount = faults.note("amount", given(&asked.amount, amount));
    let msisdn = asked.msisdn.as_ref().map(|number| phone::number(number.expose(), asked.country.as_deref()));
    faults.note("msisdn", msisdn.transpose());
    let read = |text: &str| Language::parse(text).ok_or_else(|| "must be EN or FR".to_owned());
    let language = faults.note("language", given(&asked.language, read));
    let country = faults.note("country", given(&asked.country, phone::country));
    faults.note("reason", given(&asked.reason, |text| words(text, REASON)));
    metadata(&asked.metadata, &mut faults);
    faults.end()?;
    // Each that is missing left a fault above.
    let (Some(deposit_id), Some(amount), Some(language), Some(country)) = (deposit_id, amount, language, country)
    else {
        return Err(vec![Fault::new("", "cannot be read")]);
    };
    Ok(Checked {
        deposit_id,
        return_url: asked.return_url.clone(),
        statement: asked.statement_description.clone(),
        amount,
        msisdn: asked.msisdn.clone(),
        language,
        country,
        reason: asked.reason.clone(),
        metadata: asked.metadata.clone(),
    })
}

fn given<T>(field: &Option<String>, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    field.as_deref().map(read).transpose()
}

impl Checked {
    /// What is asked, the same bytes whenever the same is meant.
    pub(super) fn meaning(&self) -> Secret<Vec<u8>> {
        let metadata: Vec<_> =
            self.metadata.iter().map(|one| (one.name.as_str(), one.value.expose().as_str(), one.pii)).collect();
        let all = json!([
            self.deposit_id,
            self.return_url,
            self.statement,
            self.amount,
            self.msisdn.as_ref().map(Secret::expose),
            self.language.map(Language::as_str),
            self.country,
            self.reason,
            metadata,
        ]);
        Secret::new(all.to_string().into_bytes())
    }
}

/// A UUIDv4 in lower case: whatever its case was, it is the same one.
fn uuid(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let legal = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        14 => byte == b'4',
        19 => b"89ab".contains(&byte),
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    let fits = lower.len() == 36 && lower.bytes().enumerate().all(legal);
    if fits { Ok(lower) } else { Err("must be a UUID of version 4 with its hyphens".to_owned()) }
}

/// Whole tokens as shortest text.
pub(super) fn amount(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(why.to_owned());
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let plain = [whole, fraction.unwrap_or_default()].concat().bytes().all(|byte| byte.is_ascii_digit());
    match (whole, fraction) {
        _ if text.is_empty() => wrong("must have at least one digit"),
        _ if !plain => wrong("must be ASCII digits with at most one point"),
        ("", _) => wrong("must have a digit before its point"),
        (_, Some("")) => wrong("must have a digit behind its point, or no point"),
        (_, Some(fraction)) if fraction.len() > FRACTION => wrong("must have at most 2 digits behind its point"),
        (whole, _) if whole.len() > 1 && whole.starts_with('0') => {
            wrong("must not begin with a zero before other digits")
        }
        (whole, _) if whole.len() > WHOLE => wrong("must have at most 18 digits before its point"),
        _ => match Units::parse(text, 2) {
            Ok(units) if units.is_zero() => wrong("must be more than 0"),
            Ok(units) => Ok(units.to_decimal(2)),
            Err(error) => Err(error.to_string()),
        },
    }
}

/// A page that a customer is sent to. Browsers forgive spaces, and what an address seems to say must be what it says.
fn link(text: &str) -> Result<(), String> {
    field::page(text)?;
    let strange = |c: char| c.is_whitespace() || turns(c);
    if text.contains(strange) { Err("must not hold spaces or marks of direction".to_owned()) } else { Ok(()) }
}

fn statement(text: &str) -> Result<(), String> {
    let fits = (4..=22).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ');
    if fits { Ok(()) } else { Err("must have 4 to 22 characters of A-Z, a-z, 0-9 and space".to_owned()) }
}

/// Text that looks like what it says.
fn words(text: &str, most: usize) -> Result<(), String> {
    field::text(text, most)?;
    if text.contains(turns) { Err("must not hold marks that turn the direction of writing".to_owned()) } else { Ok(()) }
}

/// Marks by which a text is shown in another order than it is written, and others behind it.
fn turns(c: char) -> bool {
    ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
}

fn metadata(fields: &[Metadatum], faults: &mut Faults) {
    if fields.len() > FIELDS {
        return faults.add("metadata", format!("must have at most {FIELDS} fields"));
    }
    let bytes = fields.iter().map(|one| one.name.len().saturating_add(one.value.expose().len()));
    if bytes.fold(0, usize::saturating_add) > BYTES {
        return faults.add("metadata", format!("must have at most {BYTES} bytes in its names and values"));
    }
    for (at, one) in fields.iter().enumerate() {
        let twice = fields.iter().take(at).any(|before| before.name == one.name);
        let name = words(&one.name, NAME);
        let name = name.and_then(|()| if twice { Err("must not stand twice".to_owned()) } else { Ok(()) });
        faults.note(&format!("metadata.{at}.fieldName"), name);
        faults.note(&format!("metadata.{at}.fieldValue"), words(one.value.expose(), VALUE));
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
