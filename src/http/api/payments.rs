//! Payments by link over HTTP: asked for by a business, and read by its own id of them. Their errors are in a dialect of
//! their own, which [`super::outer`] writes. Not for the page behind the link.

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::caller::{Asked, Id};
use super::openapi::{PaymentBodyRefusals, PaymentRefusals};
use super::query::Query;
use crate::deposits::{Deposit, Metadatum, PaymentRequest};
use crate::domain::Secret;
use crate::http::body::{self, Fields};
use crate::http::problem::Problem;

/// A payment to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "it describes what `request` reads")]
pub(super) struct CreatePayment {
    /// Yours, a UUIDv4: the same request with it makes one payment however often it comes.
    #[schema(pattern = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$")]
    deposit_id: String,
    /// Where the customer goes afterwards: http or https, on one of the widget's domains where it lists some.
    #[schema(min_length = 1, max_length = 2048, example = "https://shop.example.com/back")]
    return_url: String,
    /// Letters, digits and spaces.
    #[schema(pattern = "^[A-Za-z0-9 ]{4,22}$")]
    statement_description: Option<String>,
    /// Whole tokens, more than 0. Where it is absent the customer says how much.
    #[schema(
        min_length = 1,
        max_length = 23,
        pattern = r"^(?=.*[1-9])(0|[1-9][0-9]{0,17})(\.[0-9]{1,2})?$",
        example = "5.50"
    )]
    amount: Option<String>,
    /// The customer's phone number with its country's calling code. It is sealed and not shown.
    #[schema(pattern = "^[1-9][0-9]{1,14}$", example = "33612345678")]
    msisdn: Option<String>,
    /// In which the page begins: `EN` or `FR`.
    #[schema(pattern = "^(EN|FR)$")]
    language: Option<String>,
    /// ISO 3166-1 alpha-3; with `msisdn` its country.
    #[schema(pattern = "^[A-Z]{3}$", example = "FRA")]
    country: Option<String>,
    /// What it is for, shown to the customer.
    #[schema(min_length = 1, max_length = 50)]
    reason: Option<String>,
    /// Whatever you want to find again; at most 2,048 bytes in all.
    #[schema(max_items = 10)]
    metadata: Option<Vec<PaymentMetadata>>,
}

/// One field of metadata.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "it describes what `datum` reads")]
pub(super) struct PaymentMetadata {
    /// What it is; each name once.
    #[schema(min_length = 1, max_length = 64)]
    field_name: String,
    /// What it says.
    #[schema(min_length = 1, max_length = 256)]
    field_value: String,
    /// It is about a person: sealed, and shown only with `?pii=true`.
    #[serde(rename = "isPII")]
    is_pii: Option<bool>,
}

/// Where to send the customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Redirect {
    /// The payment's page. Whoever has it can pay and give up the payment.
    redirect_url: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it describes what `read` reads")]
struct PersonalParameter {
    /// `true`: with phone number and PII metadata.
    #[param(pattern = "^(true|false)$")]
    pii: Option<String>,
}

/// Make a payment that the customer makes on a page of ours.
#[utoipa::path(post, path = "/v1/widget/sessions", tag = "payments", request_body = CreatePayment,
    security(("token" = [])),
    responses((status = 200, description = "It is made, or was by the same request", body = Redirect), PaymentBodyRefusals))]
pub(super) async fn create(State(app): State<App>, asked: Asked, request: Request) -> Result<Json<Redirect>, Problem> {
    let key = app.key(&asked).await?;
    let widget = app.0.office.bound_widget(&key).await?;
    let bytes = body::bytes(request).await?;
    let mut fields = Fields::parse(&bytes)?;
    let payment = read_request(&mut fields);
    let form = fields.end();
    if !form.is_empty() {
        return Err(Problem::faults(body::both(form, app.0.office.faults_of_payment(&widget, &payment))));
    }
    let token = app.0.office.create_payment(&app.0.keyring, &widget, &payment).await?;
    let public = app.0.settings.http.public_url.as_str().trim_end_matches('/');
    Ok(Json(Redirect { redirect_url: format!("{public}/pay/{}", token.expose()) }))
}

fn read_request(fields: &mut Fields) -> PaymentRequest {
    PaymentRequest {
        deposit_id: fields.required("depositId"),
        return_url: fields.required("returnUrl"),
        statement_description: fields.text("statementDescription"),
        amount: fields.text("amount"),
        msisdn: fields.text("msisdn").map(Secret::new),
        language: fields.text("language"),
        country: fields.text("country"),
        reason: fields.text("reason"),
        metadata: fields.each("metadata", datum),
    }
}

fn datum(fields: &mut Fields) -> Metadatum {
    Metadatum {
        name: fields.required("fieldName"),
        value: Secret::new(fields.required("fieldValue")),
        pii: fields.truth("isPII").unwrap_or(false),
    }
}

/// Read a payment by your id of it: a list of it, or an empty one.
#[utoipa::path(get, path = "/v1/deposits/{depositId}", tag = "payments",
    params(("depositId" = String, Path), PersonalParameter), security(("token" = [])),
    responses((status = 200, description = "As it stands", body = Vec<Deposit>), PaymentRefusals))]
pub(super) async fn read(
    State(app): State<App>,
    asked: Asked,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<Deposit>>, Problem> {
    let business = app.business(&asked).await?;
    let mut query = Query::read(query.as_deref());
    let personal = query.choice("pii", |text| text.parse::<bool>().ok(), "true, false");
    query.end()?;
    let keyring = Some(&*app.0.keyring).filter(|_| personal == Some(true));
    Ok(Json(app.0.office.deposit(&business, &id, keyring).await?.into_iter().collect()))
}
