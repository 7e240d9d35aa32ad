//! Sessions as their openers see them: what is asked, what came, what is missing, how sure it is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::Value;

use super::{Office, Refusal};
use crate::domain::{BusinessId, Fault, Finality, SessionId, SessionStatus, Time, WidgetId, parse_address};
use crate::settings::Settings;
use crate::store::{Error, Found, Named, SessionFilter, SigningKey, ViewedSession, WidgetRow};

/// A session as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Whose it is.
    #[serde(skip)]
    pub business: BusinessId,
    /// That business is disabled: nothing of it is shown to anybody.
    #[serde(skip)]
    pub shut: bool,
    /// By which widget it was opened.
    #[serde(skip)]
    pub widget: Option<WidgetId>,
    /// It waits for no more money.
    #[serde(skip)]
    pub closed: bool,
    /// What was confirmed once was so no longer, whatever came after it. The event tells that to programs.
    #[serde(skip)]
    pub reverted: bool,
    /// Its last transfer left the chain, and none came since.
    #[serde(skip)]
    pub lost: bool,
    /// The customer's e-mail address, as it was given. Like metadata not for whoever holds the session's secret.
    #[serde(skip)]
    pub customer_email: Option<String>,
    /// What the opener wanted to find again.
    #[serde(skip)]
    pub metadata: Option<Value>,
    /// Its id.
    pub id: String,
    /// `CREATED` `PENDING` `CONFIRMED` `EXPIRED` `UNDERPAID` `OVERPAID`
    pub payment_status: String,
    /// What is to be paid, in whole tokens, as are all amounts.
    pub amount: String,
    /// What was asked for.
    pub requested_amount: String,
    /// Sum of all transfers that stand, seen ones included: no proof of payment.
    pub received_amount: String,
    /// Sum of the confirmed ones.
    pub confirmed_amount: String,
    /// What is still due.
    pub missing_amount: String,
    /// Symbol.
    pub currency: String,
    /// Slug.
    pub network: String,
    /// Token contract, with its checksum.
    pub currency_address: String,
    /// Where the money is to arrive, with its checksum.
    pub deposit_address: String,
    /// The newest transfer.
    #[schema(required)]
    pub tx_id: Option<String>,
    /// The least among its transfers.
    #[schema(required)]
    pub confirmations: Option<u64>,
    /// How many it takes; null where the chain's own finality decides.
    #[schema(required)]
    pub required_confirmations: Option<u64>,
    /// The business's own reference.
    #[schema(required)]
    pub customer_reference: Option<String>,
    /// `server`, or `widget`: then amount and reference are the customer's word.
    pub opened_by: String,
    /// When it was opened.
    pub created_at: String,
    /// Until when it takes money.
    pub expires_at: String,
    /// When it was cancelled.
    #[schema(required)]
    pub cancelled_at: Option<String>,
    /// When it became CONFIRMED or OVERPAID.
    #[schema(required)]
    pub confirmed_at: Option<String>,
    /// False on test networks.
    pub livemode: bool,
}

/// What there is of what a request names.
#[derive(Debug)]
pub struct Known {
    /// Whose key it is and what verifies its tokens; nothing where either is not good now.
    pub key: Option<SigningKey>,
    /// The widget, active or not.
    pub widget: Option<WidgetRow>,
    /// The session as it stands.
    pub session: Option<View>,
}

/// Part of a list, and what to ask for the next part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// Given where there is more.
    pub next_cursor: Option<String>,
}

/// Which sessions of a widget are listed, as it was asked.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Only in this status.
    pub status: Option<String>,
    /// Only with this reference.
    pub customer_reference: Option<String>,
    /// [`Page::next_cursor`] of the part before.
    pub cursor: Option<String>,
    /// 1 to 100; 50 where absent.
    pub limit: Option<i64>,
}

impl Office {
    /// The session of this id.
    pub async fn read(&self, id: &SessionId) -> Result<View, Refusal> {
        let named = Named { session: Some(id.clone()), ..Named::default() };
        self.look_up(named).await?.session.ok_or(Refusal::NotFound)
    }

    /// What there is of what a request names, together with what others ask for at the same time.
    pub async fn look_up(&self, named: Named) -> Result<Known, Refusal> {
        let Found { key, widget, session } = self.store.look_up(named).await?;
        Ok(Known { key, widget, session: session.map(|session| view(&self.settings, session)) })
    }

    /// The sessions of these ids that there are, by one query.
    pub async fn read_many(&self, ids: &[SessionId]) -> Result<Vec<View>, Error> {
        let viewed = self.store.view_sessions(ids).await?;
        Ok(viewed.into_iter().map(|session| view(&self.settings, session)).collect())
    }

    /// A widget's sessions, newest first.
    pub async fn list(&self, widget: &WidgetId, filter: &ListFilter) -> Result<Page<View>, Refusal> {
        let (filter, limit) = read_filter(filter).map_err(Refusal::Faults)?;
        // One more than asked tells whether there is more.
        let mut sessions = self.store.list_widget_sessions(widget, &filter, limit.saturating_add(1)).await?;
        let wanted = usize::try_from(limit).unwrap_or_default();
        let more = sessions.len() > wanted;
        sessions.truncate(wanted);
        let next_cursor = sessions.last().filter(|_| more).map(|last| cursor(last.created_at, &last.id));
        let items = sessions.into_iter().map(|session| view(&self.settings, session)).collect();
        Ok(Page { items, next_cursor })
    }
}

fn read_filter(asked: &ListFilter) -> Result<(SessionFilter, i64), Vec<Fault>> {
    let mut faults = Vec::new();
    if asked.status.as_deref().is_some_and(|status| SessionStatus::parse(status).is_none()) {
        let all = SessionStatus::ALL.map(SessionStatus::as_str).join(", ");
        faults.push(Fault::new("status", format!("must be one of {all}")));
    }
    let reference = asked.customer_reference.as_deref().map_or(Ok(()), |text| super::field::text(text, 128));
    faults.extend(reference.err().map(|message| Fault::new("customerReference", message)));
    let limit = asked.limit.unwrap_or(50);
    if !(1..=100).contains(&limit) {
        faults.push(Fault::new("limit", "must be 1 to 100"));
    }
    let after = asked.cursor.as_deref().map(read_cursor);
    if after == Some(None) {
        faults.push(Fault::new("cursor", "is none that a list gave"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let filter = SessionFilter {
        status: asked.status.clone(),
        reference: asked.customer_reference.clone(),
        after: after.flatten(),
    };
    Ok((filter, limit))
}

fn cursor(time: Time, id: &SessionId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {id}", time.timestamp_micros()))
}

fn read_cursor(text: &str) -> Option<(Time, SessionId)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (micros, id) = text.split_once(' ')?;
    let time = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
    // What PostgreSQL cannot hold is not from us.
    let fits = (0..=253_402_300_799).contains(&time.timestamp()) && !id.is_empty() && !id.contains('\0');
    fits.then(|| (time, SessionId(id.to_owned())))
}

/// ISO 8601 with milliseconds, in UTC.
pub fn time(time: Time) -> String {
    time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn view(settings: &Settings, session: ViewedSession) -> View {
    let network = settings.networks.iter().find(|network| network.slug.as_str() == session.network);
    let required = network.and_then(|network| match network.finality {
        Finality::Confirmations(blocks) => Some(blocks),
        Finality::Safe | Finality::Finalized => None,
    });
    let checksum = |text: String| parse_address(&text).map_or(text, |address| address.to_checksum(None));
    View {
        business: session.business,
        shut: session.shut,
        widget: session.widget,
        closed: session.closed,
        reverted: session.reverted,
        lost: session.lost,
        customer_email: session.email,
        metadata: session.metadata,
        id: session.id.0,
        payment_status: session.status,
        amount: session.amount,
        requested_amount: session.requested,
        received_amount: session.received,
        confirmed_amount: session.confirmed,
        missing_amount: session.missing,
        currency: session.currency,
        network: session.network,
        currency_address: checksum(session.currency_address),
        deposit_address: checksum(session.deposit_address),
        tx_id: session.tx_id,
        confirmations: session.confirmations,
        required_confirmations: required,
        customer_reference: session.reference,
        opened_by: session.opened_by,
        created_at: time(session.created_at),
        expires_at: time(session.expires_at),
        cancelled_at: session.cancelled_at.map(time),
        confirmed_at: session.confirmed_at.map(time),
        livemode: !network.is_some_and(|network| network.testnet),
    }
}

#[cfg(test)]
impl View {
    /// One that waits for 100 USDC.
    pub(crate) fn waiting() -> View {
        View {
            business: BusinessId("shop".to_owned()),
            shut: false,
            widget: None,
            closed: false,
            reverted: false,
            lost: false,
            customer_email: None,
            metadata: None,
            id: "dep_1".to_owned(),
            payment_status: "CREATED".to_owned(),
            amount: "100".to_owned(),
            requested_amount: "100".to_owned(),
            received_amount: "0".to_owned(),
            confirmed_amount: "0".to_owned(),
            missing_amount: "100".to_owned(),
            currency: "USDC".to_owned(),
            network: "polygon".to_owned(),
            currency_address: "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359".to_owned(),
            deposit_address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8".to_owned(),
            tx_id: None,
            confirmations: None,
            required_confirmations: Some(12),
            customer_reference: None,
            opened_by: "server".to_owned(),
            created_at: "2026-11-28T14:00:00.000Z".to_owned(),
            expires_at: "2026-11-28T14:15:00.000Z".to_owned(),
            cancelled_at: None,
            confirmed_at: None,
            livemode: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_rubbish_does_not() {
        let at = DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap();
        let id = SessionId("dep_1 with a space".to_owned());
        assert_eq!(read_cursor(&cursor(at, &id)), Some((at, id)));
        for rubbish in [
            "",
            "!",
            "AAAA",
            &URL_SAFE_NO_PAD.encode("1"),
            &URL_SAFE_NO_PAD.encode("x y"),
            &URL_SAFE_NO_PAD.encode("9223372036854775807 x"),
            &URL_SAFE_NO_PAD.encode("1 \0"),
        ] {
            assert_eq!(read_cursor(rubbish), None, "{rubbish}");
        }
        assert_eq!(time(at), "2026-09-21T14:13:20.123Z");
    }

    #[test]
    fn a_list_is_asked_for_within_bounds() {
        let asked = ListFilter {
            status: Some("PAID".to_owned()),
            customer_reference: Some("a\0".to_owned()),
            cursor: Some("x".to_owned()),
            limit: Some(101),
        };
        let fields: Vec<String> = read_filter(&asked).unwrap_err().into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["status", "customerReference", "limit", "cursor"]);
        assert_eq!(read_filter(&ListFilter::default()).unwrap().1, 50);
        assert!(read_filter(&ListFilter { limit: Some(0), ..ListFilter::default() }).is_err());
    }
}
