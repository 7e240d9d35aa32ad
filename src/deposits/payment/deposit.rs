//! A payment as the business that asked for it sees it, by its own id: one of four statuses, and what is personal of it
//! only where that was asked for.

use serde::{Deserialize, Serialize};

use super::{Payment, row};
use crate::deposits::{Office, Refusal, View, time};
use crate::domain::{BusinessId, Language, SessionStatus, Time};
use crate::keys::Keyring;
use crate::store::{Error, PaymentRow};

/// Where a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DepositStatus {
    /// It can be paid; nothing was seen.
    Accepted,
    /// Money was seen: not yet confirmed, not yet enough, or taken back.
    Submitted,
    /// It is paid, or more than that.
    Completed,
    /// It is over, and was not paid or not in full.
    Failed,
}

/// A payment as it stands. All amounts are whole tokens.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deposit {
    /// Yours, in lower case.
    pub deposit_id: String,
    /// Where it is.
    pub status: DepositStatus,
    /// What was asked for, by you or by the customer; null before that.
    #[schema(required)]
    pub requested_amount: Option<String>,
    /// What is to be paid: perhaps a little more, so that it is nobody else's. Null until the customer has chosen.
    #[schema(required)]
    pub amount: Option<String>,
    /// What came, seen money included: no proof of payment.
    pub received_amount: String,
    /// What is confirmed of it.
    pub confirmed_amount: String,
    /// Symbol; null until the customer has chosen, like what follows.
    #[schema(required)]
    pub currency: Option<String>,
    /// Slug.
    #[schema(required)]
    pub network: Option<String>,
    /// Token contract.
    #[schema(required)]
    pub currency_address: Option<String>,
    /// Where the money is to arrive.
    #[schema(required)]
    pub deposit_address: Option<String>,
    /// The newest transfer.
    #[schema(required)]
    pub tx_id: Option<String>,
    /// Its deposit session, the one that webhooks tell of.
    #[schema(required)]
    pub session_id: Option<String>,
    /// As given.
    pub return_url: String,
    /// As given.
    #[schema(required)]
    pub statement_description: Option<String>,
    /// As given.
    #[schema(required)]
    pub reason: Option<String>,
    /// As given.
    #[schema(required)]
    pub country: Option<String>,
    /// As given.
    #[schema(required)]
    pub language: Option<&'static str>,
    /// As given; what is PII only with `?pii=true`, behind the others.
    pub metadata: Vec<MetadataField>,
    /// Only with `?pii=true`, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msisdn: Option<String>,
    /// When it was asked for.
    pub created_at: String,
    /// Until when it takes money.
    pub expires_at: String,
    /// When it was cancelled, by the customer or by you.
    #[schema(required)]
    pub cancelled_at: Option<String>,
}

/// One field of metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetadataField {
    /// What it is.
    pub field_name: String,
    /// What it says.
    pub field_value: String,
    /// It is about a person.
    #[serde(rename = "isPII")]
    pub is_pii: bool,
}

/// What is sealed of a payment.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Personal {
    pub(super) msisdn: Option<String>,
    pub(super) metadata: Vec<(String, String)>,
}

impl Office {
    /// The payment of this id of a business; with what is personal of it where `keyring` is given to open that.
    pub async fn deposit(
        &self,
        business: &BusinessId,
        deposit_id: &str,
        keyring: Option<&Keyring>,
    ) -> Result<Option<Deposit>, Refusal> {
        let Some(found) = self.store.payment(business, &deposit_id.to_ascii_lowercase()).await? else {
            return Ok(None);
        };
        let personal = match keyring {
            Some(keyring) => opened(keyring, &found)?,
            None => Personal::default(),
        };
        let session = match &found.session {
            Some(id) => Some(self.read(id).await?),
            None => None,
        };
        let now = found.now;
        Ok(Some(shown(Payment::from(found), session.as_ref(), personal, now)))
    }
}

fn opened(keyring: &Keyring, found: &PaymentRow) -> Result<Personal, Refusal> {
    let Some(sealed) = &found.pii else { return Ok(Personal::default()) };
    let shut = || Error::Unreadable("what is personal of a payment was sealed with another key".to_owned());
    let text = keyring.open(&row(&found.business, &found.deposit_id), sealed).map_err(|_| shut())?;
    Ok(serde_json::from_slice(text.expose()).map_err(|_| shut())?)
}

fn shown(payment: Payment, session: Option<&View>, personal: Personal, now: Time) -> Deposit {
    let of = |read: fn(&View) -> &String| session.map(|session| read(session).clone());
    let none = || "0".to_owned();
    let field = |is_pii| move |(field_name, field_value)| MetadataField { field_name, field_value, is_pii };
    let personal_fields = personal.metadata.into_iter().map(field(true));
    Deposit {
        status: status(&payment, session, now),
        requested_amount: of(|session| &session.requested_amount).or(payment.amount),
        amount: of(|session| &session.amount),
        received_amount: of(|session| &session.received_amount).unwrap_or_else(none),
        confirmed_amount: of(|session| &session.confirmed_amount).unwrap_or_else(none),
        currency: of(|session| &session.currency),
        network: of(|session| &session.network),
        currency_address: of(|session| &session.currency_address),
        deposit_address: of(|session| &session.deposit_address),
        tx_id: session.and_then(|session| session.tx_id.clone()),
        session_id: of(|session| &session.id),
        deposit_id: payment.deposit_id,
        return_url: payment.return_url,
        statement_description: payment.statement,
        reason: payment.reason,
        country: payment.country,
        language: payment.language.map(Language::as_str),
        metadata: payment.metadata.into_iter().map(field(false)).chain(personal_fields).collect(),
        msisdn: personal.msisdn,
        created_at: time(payment.created_at),
        // A part payment has lengthened the session's time, and who has a session may cancel it by itself.
        expires_at: of(|session| &session.expires_at).unwrap_or_else(|| time(payment.expires_at)),
        cancelled_at: session.and_then(|session| session.cancelled_at.clone()).or(payment.cancelled_at.map(time)),
    }
}

/// One that waits for no more money stays as it is, but for a
/// reorganisation.
fn status(payment: &Payment, session: Option<&View>, now: Time) -> DepositStatus {
    let dead = payment.opened_at.is_none() && now >= payment.opens_until;
    let Some(session) = session else {
        let over = payment.cancelled_at.is_some() || now >= payment.expires_at || dead;
        return if over { DepositStatus::Failed } else { DepositStatus::Accepted };
    };
    match SessionStatus::parse(&session.payment_status) {
        // Nobody can come to its page any more.
        Some(SessionStatus::Created) if dead => DepositStatus::Failed,
        Some(SessionStatus::Created) => DepositStatus::Accepted,
        // An outside program may say that the customer has begun: that is no money.
        Some(SessionStatus::Pending) if session.tx_id.is_none() && !session.lost => DepositStatus::Accepted,
        Some(SessionStatus::Pending) => DepositStatus::Submitted,
        Some(SessionStatus::Underpaid) if !session.closed => DepositStatus::Submitted,
        Some(SessionStatus::Confirmed | SessionStatus::Overpaid) => DepositStatus::Completed,
        Some(SessionStatus::Expired | SessionStatus::Underpaid) | None => DepositStatus::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BusinessId, WidgetId, time_from_unix};
    use DepositStatus::{Accepted, Completed, Failed, Submitted};

    fn at(second: u64) -> Time {
        time_from_unix(second).unwrap()
    }

    /// Opens until 300, lives until 900.
    fn payment() -> Payment {
        Payment {
            deposit_id: String::new(),
            business: BusinessId(String::new()),
            business_name: String::new(),
            widget: WidgetId(String::new()),
            allowed_domains: Vec::new(),
            amount: None,
            least: None,
            most: None,
            return_url: String::new(),
            statement: None,
            reason: None,
            country: None,
            language: None,
            metadata: Vec::new(),
            created_at: at(0),
            opens_until: at(300),
            expires_at: at(900),
            opened_at: None,
            cancelled_at: None,
            session: None,
        }
    }

    #[test]
    fn without_a_session_the_clock_and_the_customer_tell() {
        let opened = Payment { opened_at: Some(at(10)), ..payment() };
        let cancelled = Payment { cancelled_at: Some(at(20)), ..opened.clone() };
        for (payment, second, told) in [
            (payment(), 0, Accepted),
            (payment(), 299, Accepted),
            (payment(), 300, Failed),
            (opened.clone(), 300, Accepted),
            (opened.clone(), 899, Accepted),
            (opened, 900, Failed),
            (cancelled, 20, Failed),
        ] {
            assert_eq!(status(&payment, None, at(second)), told, "{second} {payment:?}");
        }
    }

    #[test]
    fn a_session_tells_by_its_status_and_whether_it_waits() {
        let opened = Payment { opened_at: Some(at(10)), ..payment() };
        for (word, closed, told) in [
            ("CREATED", false, Accepted),
            ("PENDING", false, Accepted),
            ("UNDERPAID", false, Submitted),
            ("UNDERPAID", true, Failed),
            ("CONFIRMED", true, Completed),
            ("OVERPAID", true, Completed),
            ("EXPIRED", true, Failed),
        ] {
            let session = crate::deposits::ground::view(word, closed);
            assert_eq!(status(&opened, Some(&session), at(950)), told, "{word} {closed}");
        }
        // Nobody comes to a page whose link is dead. An outside program's PENDING is no money: a transfer is, or was.
        let session = crate::deposits::ground::view("CREATED", false);
        assert_eq!(status(&payment(), Some(&session), at(299)), Accepted);
        assert_eq!(status(&payment(), Some(&session), at(300)), Failed);
        let pending = crate::deposits::ground::view("PENDING", false);
        let paid = View { tx_id: Some("0x1".to_owned()), ..pending.clone() };
        for session in [paid, View { lost: true, ..pending }] {
            assert_eq!(status(&payment(), Some(&session), at(950)), Submitted);
        }
    }
}
