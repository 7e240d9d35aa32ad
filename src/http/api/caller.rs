//! Who asks, and whether that is enough: each handler's first line is one of these. A credential that is not good for
//! anything is 401; a good one for what is another's gets the same 404 as for what does not exist.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::SystemTime;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::App;
use crate::deposits::{OpenedBy, View, Widget};
use crate::domain::{ApiKeyId, BusinessId, Secret, SessionId, WidgetId};
use crate::http::problem::{Code, Problem};
use crate::keys::jwt::{VerifyingKey, key_id, verify};
use crate::store::KeyMaterial;

/// The client's address, once the outermost layer has found it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client(pub(super) IpAddr);

/// What a request says about who sends it.
#[derive(Debug)]
pub(in crate::http) struct Asked {
    client: Option<IpAddr>,
    bearer: Option<Secret<String>>,
    secret: Option<Secret<String>>,
}

impl FromRequestParts<App> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Asked, Infallible> {
        let client = parts.extensions.get::<Client>().map(|Client(address)| *address);
        let authorization = text(&parts.headers, header::AUTHORIZATION.as_str());
        let bearer = authorization.map(|text| {
            let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            Secret::new(token.map_or_else(String::new, |(_, token)| token.trim().to_owned()))
        });
        let secret = text(&parts.headers, "x-client-secret").map(|text| Secret::new(text.to_owned()));
        Ok(Asked { client, bearer, secret })
    }
}

/// A header's text; one that is sent twice or is no text is as good as none that fits anything.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let only = values.next().is_none();
    Some(first.to_str().ok().filter(|_| only).unwrap_or_default())
}

/// An id in a path. What no id of ours can be becomes one that nothing has: whoever asks for it learns the same as of any
/// other that does not exist.
#[derive(Debug)]
pub(in crate::http) struct Id(pub(in crate::http) String);

impl FromRequestParts<App> for Id {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Id, Infallible> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        let fits = |id: &String| id.chars().count() <= 128 && !id.chars().any(char::is_control);
        Ok(Id(path.ok().map(|Path(id)| id).filter(fits).unwrap_or_default()))
    }
}

/// Who turned out to ask.
#[derive(Debug)]
pub(super) enum Caller {
    /// A business, by a token that this key signed.
    Business(BusinessId, ApiKeyId),
    /// Whoever holds the secret of the widget or session that is asked for.
    Holder,
}

impl Caller {
    /// True when this is that business, or holds the thing itself.
    fn may_touch(&self, owner: &BusinessId) -> bool {
        match self {
            Caller::Business(business, _) => business == owner,
            Caller::Holder => true,
        }
    }

    /// Whose word a session is that this caller opens.
    pub(super) fn opened_by(&self) -> OpenedBy {
        match self {
            Caller::Business(..) => OpenedBy::Server,
            Caller::Holder => OpenedBy::Widget,
        }
    }

    /// What idempotency keys are told apart by.
    pub(super) fn credential(&self, widget: &WidgetId) -> String {
        match self {
            Caller::Business(_, key) => key.0.clone(),
            Caller::Holder => widget.0.clone(),
        }
    }
}

impl App {
    /// A business, by its token alone.
    pub(super) async fn business(&self, asked: &Asked) -> Result<BusinessId, Problem> {
        Ok(self.signed(asked).await?.0)
    }

    /// The key by which a business signed its token.
    pub(super) async fn key(&self, asked: &Asked) -> Result<ApiKeyId, Problem> {
        Ok(self.signed(asked).await?.1)
    }

    async fn signed(&self, asked: &Asked) -> Result<(BusinessId, ApiKeyId), Problem> {
        self.not_failing(asked)?;
        match self.by_token(asked).await? {
            Some(Caller::Business(business, key)) => Ok((business, key)),
            Some(Caller::Holder) | None => Err(self.refuse(asked)),
        }
    }

    /// A business that asks for its own.
    pub(super) async fn own_business(&self, asked: &Asked, id: &str) -> Result<BusinessId, Problem> {
        let business = self.business(asked).await?;
        if business.0 == id { Ok(business) } else { Err(Problem::new(Code::NotFound)) }
    }

    /// A widget, by its business's token.
    pub(super) async fn own_widget(&self, asked: &Asked, id: &WidgetId) -> Result<Widget, Problem> {
        let business = self.business(asked).await?;
        let widget = self.0.office.widget(id).await?;
        if widget.business_id == business { Ok(widget) } else { Err(Problem::new(Code::NotFound)) }
    }

    /// A widget, by its business's token or by its own secret.
    pub(super) async fn widget(&self, asked: &Asked, id: &WidgetId) -> Result<(Caller, Widget), Problem> {
        self.not_failing(asked)?;
        let caller = match (self.by_token(asked).await?, &asked.secret) {
            (Some(caller), _) => caller,
            (None, Some(secret)) if self.0.office.knows_widget_secret(id, secret.expose()).await? => {
                self.count(&id.0)?;
                Caller::Holder
            }
            (None, _) => return Err(self.refuse(asked)),
        };
        let widget = self.0.office.widget(id).await?;
        // A token of a closed business is bad already. A widget without end date has a business that is open.
        let shut = widget.disabled_at.is_some() && self.is_shut(&widget.business_id).await?;
        match caller.may_touch(&widget.business_id) {
            _ if shut && matches!(caller, Caller::Holder) => Err(self.refuse(asked)),
            true => Ok((caller, widget)),
            false => Err(Problem::new(Code::NotFound)),
        }
    }

    /// A session, by its business's token or by its own secret.
    pub(super) async fn session(&self, asked: &Asked, id: &SessionId) -> Result<View, Problem> {
        self.not_failing(asked)?;
        let caller = match (self.by_token(asked).await?, &asked.secret) {
            (Some(caller), _) => caller,
            (None, Some(secret)) if self.0.keyring.knows_session_secret(id, secret.expose()) => {
                self.count(&id.0)?;
                Caller::Holder
            }
            (None, _) => return Err(self.refuse(asked)),
        };
        let session = self.0.office.read(id).await?;
        match caller.may_touch(&session.business) {
            _ if session.shut && matches!(caller, Caller::Holder) => Err(self.refuse(asked)),
            true => Ok(session),
            false => Err(Problem::new(Code::NotFound)),
        }
    }

    async fn is_shut(&self, business: &BusinessId) -> Result<bool, Problem> {
        Ok(self.0.office.business(business).await?.disabled_at.is_some())
    }

    /// The bearer of a token that is good; nobody where there is none. A bad one is bad whatever else is offered.
    async fn by_token(&self, asked: &Asked) -> Result<Option<Caller>, Problem> {
        let Some(token) = &asked.bearer else { return Ok(None) };
        let Some(key) = key_id(token.expose()) else { return Err(self.refuse(asked)) };
        let Some((business, material)) = self.0.office.signing_key(&key).await? else { return Err(self.refuse(asked)) };
        let Some(verifying) = self.verifying(&key, material) else { return Err(self.refuse(asked)) };
        let api = &self.0.settings.api;
        let (issuer, audience) = (api.jwt_issuer.as_deref(), api.jwt_audience.as_deref());
        if let Err(error) = verify(token.expose(), &verifying, issuer, audience, SystemTime::now()) {
            tracing::debug!(key = %key, reason = error.reason(), "a token is refused");
            return Err(self.refuse(asked));
        }
        self.count(&key.0)?;
        Ok(Some(Caller::Business(business, key)))
    }

    fn verifying(&self, key: &ApiKeyId, material: KeyMaterial) -> Option<VerifyingKey> {
        match material {
            KeyMaterial::Sealed(sealed) => match self.0.keyring.open(&key.0, &sealed) {
                Ok(secret) => Some(VerifyingKey::Hs256(secret)),
                Err(error) => {
                    tracing::error!(%key, %error, "an API key cannot be opened");
                    None
                }
            },
            KeyMaterial::Public(public) => public.try_into().ok().map(VerifyingKey::EdDsa),
        }
    }

    /// 401, the same for whatever was wrong, and it counts against the address.
    pub(super) fn refuse(&self, asked: &Asked) -> Problem {
        // Who sends none has not tried one.
        if asked.bearer.is_some() || asked.secret.is_some() {
            self.failed(asked);
        }
        Problem::new(Code::Unauthorized)
    }

    /// A wrong ticket counts like a wrong secret.
    pub(in crate::http) fn failed(&self, asked: &Asked) {
        if let Some(client) = asked.client {
            self.0.rates.note_failure(client);
        }
    }

    /// Refuses an address that has offered too many wrong credentials, before anything is looked up.
    pub(in crate::http) fn not_failing(&self, asked: &Asked) -> Result<(), Problem> {
        let left = asked.client.map_or(Ok(()), |client| self.0.rates.failures_left(client));
        left.map_err(|pause| Problem::new(Code::RateLimited).retry_after(pause).because("too many wrong credentials"))
    }

    fn count(&self, credential: &str) -> Result<(), Problem> {
        let allowed = self.0.rates.allow_credential(credential);
        allowed.map_err(|pause| Problem::new(Code::RateLimited).retry_after(pause))
    }
}
