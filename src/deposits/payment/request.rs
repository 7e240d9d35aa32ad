//! A payment as a business asks for it, held against all that can be told without its widget. Pure.

use serde_json::json;

use crate::deposits::field::{self, Faults};
use crate::domain::{Fault, Language, Secret, Units};

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
    faults.note("returnUrl", field::page(&asked.return_url));
    let amount = faults.note("amount", asked.amount.as_deref().map(amount).transpose());
    let read = |text: &str| Language::parse(text).ok_or_else(|| "must be EN or FR".to_owned());
    let language = faults.note("language", asked.language.as_deref().map(read).transpose());
    faults.end()?;
    let (Some(deposit_id), Some(amount), Some(language)) = (deposit_id, amount, language) else {
        return Err(vec![Fault::new("", "cannot be read")]);
    };
    Ok(Checked {
        deposit_id,
        return_url: asked.return_url.clone(),
        statement: asked.statement_description.clone(),
        amount,
        msisdn: asked.msisdn.clone(),
        language,
        country: asked.country.clone(),
        reason: asked.reason.clone(),
        metadata: asked.metadata.clone(),
    })
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
fn amount(text: &str) -> Result<String, String> {
    let units = Units::parse(text, 2).map_err(|error| error.to_string())?;
    Ok(units.to_decimal(2))
}
