//! Payments in every state there is, for tests: what each screen is drawn from.

use chrono::{DateTime, TimeDelta, Utc};

use super::screen::Facts;
use crate::deposits::{Choice, Payment, View};
use crate::domain::{BusinessId, Time, WidgetId};

pub(super) const TX: &str = "0x9c2f6a1f0f5b4d1c7a3e8b2d4f6a8c0e2d4b6f8a0c2e4d6b8f0a2c4e6d8b0f1a";

/// A payment in some state.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) payment: Payment,
    pub(super) session: Option<View>,
    pub(super) coin: Option<Choice>,
    pub(super) choices: Vec<Choice>,
    pub(super) now: Time,
}

/// Half past nothing: 28 November 2026, 14:01:40 UTC.
pub(super) fn noon() -> Time {
    DateTime::parse_from_rfc3339("2026-11-28T14:01:40Z").unwrap().with_timezone(&Utc)
}

/// So many minutes after that.
pub(super) fn after(minutes: i64) -> Time {
    noon().checked_add_signed(TimeDelta::minutes(minutes)).unwrap()
}

pub(super) fn choice(network: &str, symbol: &str, preferred: bool) -> Choice {
    Choice {
        network: network.to_owned(),
        chain_id: 137,
        testnet: false,
        token: "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359".to_owned(),
        symbol: symbol.to_owned(),
        decimals: 6,
        preferred,
    }
}

pub(super) fn payment() -> Payment {
    Payment {
        deposit_id: "f4401bd2-1568-4140-bf2d-eb77d2b2b639".to_owned(),
        business: BusinessId("shop".to_owned()),
        business_name: "Atelier Lumière".to_owned(),
        widget: WidgetId("wid_1".to_owned()),
        allowed_domains: Vec::new(),
        amount: Some("1234.5".to_owned()),
        least: None,
        most: None,
        return_url: "https://shop.example/done?order=7".to_owned(),
        statement: Some("ATELIER LUMIERE 7".to_owned()),
        reason: Some("Order 7: two lamps".to_owned()),
        country: None,
        language: None,
        metadata: vec![("Order".to_owned(), "7".to_owned())],
        created_at: after(-1),
        opens_until: after(4),
        expires_at: after(14),
        opened_at: Some(noon()),
        cancelled_at: None,
        session: None,
    }
}

/// A session in a status of which so much came.
pub(super) fn session(status: &str, received: &str, missing: &str) -> View {
    View {
        payment_status: status.to_owned(),
        amount: "1234.5".to_owned(),
        requested_amount: "1234.5".to_owned(),
        received_amount: received.to_owned(),
        missing_amount: missing.to_owned(),
        tx_id: (received != "0").then(|| TX.to_owned()),
        confirmations: (received != "0").then_some(3),
        expires_at: "2026-11-28T14:15:40.000Z".to_owned(),
        ..View::waiting()
    }
}

impl Scene {
    pub(super) fn of(name: &'static str, session: View) -> Scene {
        let (coin, choices) = (Some(choice("polygon", "USDC", true)), Vec::new());
        Scene { name, payment: payment(), session: Some(session), coin, choices, now: noon() }
    }

    fn without(name: &'static str) -> Scene {
        let choices =
            vec![choice("polygon", "USDC", false), choice("base", "USDC", true), choice("bnb", "USDT", false)];
        Scene { name, payment: payment(), session: None, coin: None, choices, now: noon() }
    }

    pub(super) fn but(mut self, change: impl FnOnce(&mut Scene)) -> Scene {
        change(&mut self);
        self
    }

    /// With its session changed.
    pub(super) fn whose(mut self, change: impl FnOnce(&mut View)) -> Scene {
        self.session.as_mut().map(change);
        self
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        let Scene { payment, session, coin, choices, now, .. } = self;
        Facts { payment, session: session.as_ref(), coin: coin.as_ref(), choices, now: *now }
    }
}

/// Every state, the name of its screen first.
pub(super) fn all() -> Vec<Scene> {
    let closed = |view: &mut View| view.closed = true;
    let waiting = || Scene::of("waiting", session("CREATED", "0", "1234.5"));
    vec![
        Scene::without("choose"),
        Scene::without("choose-amount").but(|scene| {
            scene.payment.amount = None;
            (scene.payment.least, scene.payment.most) = (Some("5".to_owned()), Some("2500".to_owned()));
        }),
        Scene::without("choose-nothing").but(|scene| scene.choices.clear()),
        waiting(),
        waiting().whose(|view| view.amount = "1234.500007".to_owned()).but(|scene| scene.name = "waiting-nudged"),
        waiting().whose(|view| view.livemode = false).but(|scene| {
            scene.name = "waiting-testnet";
            scene.coin.iter_mut().for_each(|coin| coin.testnet = true);
        }),
        waiting().but(|scene| (scene.name, scene.coin) = ("waiting-unconfigured", None)),
        waiting().but(|scene| (scene.name, scene.now) = ("waiting-over", after(14))),
        Scene::of("waiting-vanished", session("PENDING", "0", "1234.5")).whose(|view| view.lost = true),
        Scene::of("seen", session("PENDING", "1234.5", "0")),
        Scene::of("seen-short", session("PENDING", "1000", "234.5")),
        Scene::of("seen-tag", session("PENDING", "1234.5", "0")).whose(|view| view.required_confirmations = None),
        Scene::of("underpaid", session("UNDERPAID", "1000", "234.5")),
        Scene::of("expired-underpaid", session("UNDERPAID", "1000", "234.5")).whose(closed),
        Scene::of("paid", session("CONFIRMED", "1234.5", "0")).whose(closed).whose(confirmed),
        Scene::of("overpaid", session("OVERPAID", "1300", "0")).whose(closed).whose(confirmed),
        Scene::of("expired", session("EXPIRED", "0", "1234.5")).whose(closed),
        Scene::without("expired-unchosen").but(|scene| scene.now = after(14)),
        Scene::of("cancelled", session("EXPIRED", "0", "1234.5")).whose(closed).whose(|view| {
            view.cancelled_at = Some("2026-11-28T14:02:00.000Z".to_owned());
        }),
        Scene::without("cancelled-unchosen").but(|scene| scene.payment.cancelled_at = Some(noon())),
        Scene::of("reverted", session("PENDING", "0", "1234.5")).whose(|view| view.reverted = true),
        Scene::of("reverted-again", session("PENDING", "1234.5", "0")).whose(|view| view.reverted = true),
        Scene::of("reverted-over", session("EXPIRED", "0", "1234.5")).whose(closed).whose(|view| view.reverted = true),
    ]
}

fn confirmed(view: &mut View) {
    view.confirmed_at = Some("2026-11-28T14:09:07.250Z".to_owned());
}
