//! What is sent of an event: the same bytes at every attempt, for they are signed. Pure.

use chrono::SecondsFormat;
use serde::Serialize;

use crate::store::EventRow;

/// What stands before the event's own data, in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    created_at: String,
    sequence: i64,
    business_id: &'a str,
    widget_id: Option<&'a str>,
    livemode: bool,
    r#final: bool,
}

/// The body of every attempt to deliver this event.
///
/// `data` goes in as the database wrote it: metadata may hold numbers that no number type of ours keeps. `final` is
/// false where no session is told of: such money waits for a person.
pub fn body(event: &EventRow) -> Result<String, serde_json::Error> {
    let head = Head {
        id: &event.id,
        kind: &event.kind,
        created_at: event.created_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        sequence: event.sequence,
        business_id: &event.business_id,
        widget_id: event.widget_id.as_deref(),
        livemode: event.livemode,
        r#final: event.closed.unwrap_or(false),
    };
    let head = serde_json::to_string(&head)?;
    Ok(format!("{},\"data\":{}}}", head.strip_suffix('}').unwrap_or(&head), event.data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> EventRow {
        EventRow {
            id: "evt_1".to_owned(),
            kind: "deposit.confirmed".to_owned(),
            created_at: "2026-11-21T10:00:00.123456Z".parse().unwrap(),
            sequence: 7,
            business_id: "default".to_owned(),
            widget_id: Some("wid_1".to_owned()),
            livemode: true,
            closed: Some(true),
            data: r#"{"amount": "1.5", "metadata": {"n": 123456789012345678901234567890.000000000000000000001}}"#
                .to_owned(),
        }
    }

    #[test]
    fn a_body_is_these_bytes() {
        let expected = concat!(
            r#"{"id":"evt_1","type":"deposit.confirmed","createdAt":"2026-11-21T10:00:00.123Z","sequence":7,"#,
            r#""businessId":"default","widgetId":"wid_1","livemode":true,"final":true,"#,
            r#""data":{"amount": "1.5", "metadata": {"n": 123456789012345678901234567890.000000000000000000001}}}"#,
        );
        assert_eq!(body(&event()).unwrap(), expected);
    }

    #[test]
    fn odd_names_are_escaped_and_nothing_is_lost() {
        let odd = EventRow {
            business_id: "a\"}\u{2028}".to_owned(),
            widget_id: None,
            closed: None,
            livemode: false,
            ..event()
        };
        let read: serde_json::Value = serde_json::from_str(&body(&odd).unwrap()).unwrap();
        assert_eq!(read["businessId"], "a\"}\u{2028}");
        assert_eq!(
            (&read["widgetId"], &read["final"], &read["livemode"]),
            (&serde_json::Value::Null, &false.into(), &false.into())
        );
        assert_eq!(read["data"]["amount"], "1.5");
    }
}
