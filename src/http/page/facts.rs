//! What is known of a payment. Placeholder until the rooms below say it.
use crate::deposits::View;
use crate::domain::{BusinessId, Language, SessionId, Time, WidgetId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub deposit_id: String,
    pub business: BusinessId,
    pub business_name: String,
    pub widget: WidgetId,
    pub allowed_domains: Vec<String>,
    pub amount: Option<String>,
    pub least: Option<String>,
    pub most: Option<String>,
    pub return_url: String,
    pub statement: Option<String>,
    pub reason: Option<String>,
    pub country: Option<String>,
    pub language: Option<Language>,
    pub metadata: Vec<(String, String)>,
    pub created_at: Time,
    pub opens_until: Time,
    pub expires_at: Time,
    pub opened_at: Option<Time>,
    pub cancelled_at: Option<Time>,
    pub session: Option<SessionId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub network: String,
    pub chain_id: u64,
    pub testnet: bool,
    pub token: String,
    pub symbol: String,
    pub decimals: u8,
    pub preferred: bool,
}

impl Choice {
    pub fn key(&self) -> String {
        format!("{}:{}", self.network, self.token.to_lowercase())
    }
}

pub struct Visit {
    pub payment: Payment,
    pub session: Option<View>,
    pub choices: Vec<Choice>,
    pub now: Time,
}
