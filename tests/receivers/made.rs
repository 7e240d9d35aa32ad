//! Deliveries made by hand, by the words of the standard: what is not genuine is refused and does nothing, what comes twice
//! or late does nothing either.

use std::time::{SystemTime, UNIX_EPOCH};

use standardwebhooks::Webhook;

use super::receiver::{Language, Receiver};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// The headers of a delivery that these secrets signed.
fn headers(secrets: &[&str], id: &str, at: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    let sign = |secret: &&str| Webhook::new(secret).unwrap().sign(id, at, body).unwrap();
    let signatures: Vec<String> = secrets.iter().map(sign).collect();
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ]
}

fn event(session: Option<&str>, sequence: u64) -> Vec<u8> {
    let body = serde_json::json!({"id": "evt_1", "type": "deposit.pending", "sequence": sequence,
        "data": {"sessionId": session, "status": session.map(|_| "PENDING"), "customerReference": "Käse 🧀"}});
    body.to_string().into_bytes()
}

/// Everything a receiver must know.
fn examine(language: Language) {
    let receiver = Receiver::start(language, SECRET, Receiver::place());
    let send = |id: &str, body: &[u8]| receiver.post(&headers(&[SECRET], id, now(), body), body);
    let good = event(Some("dep_a"), 7);

    assert_eq!(send("evt_a7", &good), 204);
    assert_eq!(receiver.line(), "deposit.pending dep_a PENDING 7");

    // Forged, or bent on the way.
    let mut bent = good.clone();
    bent[20] ^= 1;
    let signed = headers(&[SECRET], "evt_b", now(), &good);
    assert_eq!(receiver.post(&headers(&[OTHER], "evt_b", now(), &good), &good), 400, "another's secret");
    assert_eq!(receiver.post(&signed, &bent), 400, "another byte");
    assert_eq!(receiver.post(&signed, &good[..good.len() - 1]), 400, "a byte less");
    for (at, value) in [(0, "evt_c"), (1, "1"), (1, "soon"), (1, ""), (2, ""), (2, "v1,"), (2, "v1,AAAA"), (2, "v1")] {
        let mut changed = signed.clone();
        changed[at].1 = value.to_owned();
        assert_eq!(receiver.post(&changed, &good), 400, "{:?}", changed[at]);
    }
    for missing in 0..3 {
        let mut less = signed.clone();
        less.remove(missing);
        assert_eq!(receiver.post(&less, &good), 400, "{less:?}");
    }
    let renamed = signed[2].1.replacen("v1,", "v2,", 1);
    assert_eq!(receiver.post(&[&signed[..2], &[("webhook-signature", renamed)]].concat(), &good), 400, "v2");

    // Genuine once, and recorded by somebody.
    for at in [now() - 310, now() + 310] {
        assert_eq!(receiver.post(&headers(&[SECRET], "evt_d", at, &good), &good), 400, "from {}", at - now());
    }
    // The clocks need not agree to the second.
    let later = event(Some("dep_a"), 8);
    assert_eq!(receiver.post(&headers(&[SECRET], "evt_a8", now() - 280, &later), &later), 204);
    assert_eq!(receiver.line(), "deposit.pending dep_a PENDING 8");

    // While a secret is being rotated two have signed, whichever first.
    for (n, secrets) in [(9, [OTHER, SECRET]), (10, [SECRET, OTHER])] {
        let body = event(Some("dep_a"), n);
        assert_eq!(receiver.post(&headers(&secrets, &format!("evt_a{n}"), now(), &body), &body), 204);
        assert_eq!(receiver.line(), format!("deposit.pending dep_a PENDING {n}"));
    }

    // Twice, and overtaken: taken, and nothing comes of it.
    assert_eq!(send("evt_a7", &good), 204);
    assert_eq!(send("evt_a6", &event(Some("dep_a"), 6)), 204);
    // Another session's count is its own, and what belongs to none is never late.
    assert_eq!(send("evt_b2", &event(Some("dep_b"), 2)), 204);
    assert_eq!(receiver.line(), "deposit.pending dep_b PENDING 2");
    for (id, sequence) in [("evt_u2", 12), ("evt_u1", 11)] {
        assert_eq!(send(id, &event(None, sequence)), 204);
        assert_eq!(receiver.line(), format!("deposit.pending - - {sequence}"));
    }
    assert_eq!(send("evt_u2", &event(None, 12)), 204);
    assert_eq!(receiver.end(), Vec::<String>::new());
}

#[test]
fn node() {
    examine(Language::Node);
}

#[test]
fn rust() {
    examine(Language::Rust);
}

#[test]
#[ignore = "needs python3: tests/debian/receivers.sh runs it"]
fn python() {
    examine(Language::Python);
}
