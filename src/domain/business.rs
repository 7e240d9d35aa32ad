//! Who sessions belong to, and what is wrong with what somebody asked for. Not for rights: those are the faces' affair.

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A business's id: `[a-z0-9_-]{1,64}`, chosen by the operator or `biz_…`.
    BusinessId
}
name! {
    /// A widget's id, `wid_…`.
    WidgetId
}
name! {
    /// The id of a key that signs a business's bearer tokens, `key_…`: the tokens' `kid`.
    ApiKeyId
}
name! {
    /// A webhook endpoint's id, `we_…`.
    WebhookId
}
name! {
    /// The id of an event on its way to an endpoint, `whd_…`.
    DeliveryId
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// As the request names it; dotted below the top; empty for the whole.
    pub field: String,
    /// What is wrong and how it would be right, as part of a sentence that the field begins.
    pub message: String,
}

impl Fault {
    /// `field` is wrong because of `message`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { field: field.into(), message: message.into() }
    }
}
