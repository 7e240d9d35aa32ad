//! Bodies of requests: bounded in length, time and depth, JSON without a key twice, read field by field so that all that is
//! wrong is told at once. Not for what fields mean.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use tokio::time::timeout;

use super::problem::{Code, Problem};
use crate::domain::Fault;

/// The longest body.
pub(super) const BYTES: usize = 64 * 1_024;
/// What a client is given to send it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The bytes of a JSON body.
pub(super) async fn bytes(request: Request) -> Result<Vec<u8>, Problem> {
    demand_json(request.headers())?;
    // A length that is told is believed before a byte is read.
    let told =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| {
        usize::try_from(length).is_ok_and(|length| length > BYTES) || length > u64::from(u32::MAX)
    }) {
        return Err(Problem::new(Code::PayloadTooLarge));
    }
    timeout(PATIENCE, collect(request.into_body())).await.unwrap_or_else(|_| Err(Problem::new(Code::RequestTimeout)))
}

fn demand_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    match essence.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(Problem::new(Code::UnsupportedMediaType)),
    }
}

async fn collect(body: Body) -> Result<Vec<u8>, Problem> {
    let (mut bytes, mut stream) = (Vec::new(), body.into_data_stream());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Code::MalformedJson).because("the body broke off"))?;
        if bytes.len().saturating_add(chunk.len()) > BYTES {
            return Err(Problem::new(Code::PayloadTooLarge));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A JSON object while it is read; what nobody asked for in the end is an unknown field.
#[derive(Debug)]
pub(super) struct Fields {
    values: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Fields {
    /// Reads a body that must be an object.
    pub(super) fn parse(bytes: &[u8]) -> Result<Fields, Problem> {
        let malformed = |error: serde_json::Error| Problem::new(Code::MalformedJson).because(error.to_string());
        let Strict(value) = serde_json::from_slice(bytes).map_err(malformed)?;
        match value {
            Value::Object(values) => Ok(Fields { values, faults: Vec::new() }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Problem::faults(vec![Fault::new("", "the body must be a JSON object")]))
            }
        }
    }

    fn wrong(&mut self, field: &str, message: &str) {
        self.faults.push(Fault::new(field, message));
    }

    /// Text that may be absent; `null` is as good as that.
    pub(super) fn text(&mut self, field: &str) -> Option<String> {
        match self.values.remove(field)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.wrong(field, "must be a string");
                None
            }
        }
    }

    /// Text that must be there; empty where it is not, and that is a fault.
    pub(super) fn required(&mut self, field: &str) -> String {
        match self.values.get(field) {
            None => self.wrong(field, "is required"),
            Some(Value::Null) => self.wrong(field, "must be a string"),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {}
        }
        self.text(field).unwrap_or_default()
    }

    /// A list of texts, empty where absent.
    pub(super) fn texts(&mut self, field: &str) -> Vec<String> {
        let Some(value) = self.values.remove(field).filter(|value| !value.is_null()) else { return Vec::new() };
        let texts = value.as_array().and_then(|items| {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        texts.unwrap_or_else(|| {
            self.wrong(field, "must be a list of strings");
            Vec::new()
        })
    }

    /// What `read` makes of each object of a list, empty where absent; its faults carry its place.
    pub(super) fn each<T>(&mut self, field: &str, read: impl Fn(&mut Fields) -> T) -> Vec<T> {
        let Some(value) = self.values.remove(field).filter(|value| !value.is_null()) else { return Vec::new() };
        let Value::Array(items) = value else {
            self.wrong(field, "must be a list of objects");
            return Vec::new();
        };
        let mut found = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            let Value::Object(values) = item else {
                self.wrong(&format!("{field}.{at}"), "must be an object");
                continue;
            };
            let mut inner = Fields { values, faults: Vec::new() };
            found.push(read(&mut inner));
            for fault in inner.end() {
                self.wrong(&format!("{field}.{at}.{}", fault.field), &fault.message);
            }
        }
        found
    }

    /// `true` or `false`, that may be absent.
    pub(super) fn truth(&mut self, field: &str) -> Option<bool> {
        match self.values.remove(field)? {
            Value::Bool(truth) => Some(truth),
            Value::Null => None,
            Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                self.wrong(field, "must be true or false");
                None
            }
        }
    }

    /// An object that may be absent.
    pub(super) fn object(&mut self, field: &str) -> Option<Map<String, Value>> {
        match self.values.remove(field)? {
            Value::Object(object) => Some(object),
            Value::Null => None,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.wrong(field, "must be an object");
                None
            }
        }
    }

    /// What is wrong with the form of the body: types, and fields that there are not.
    pub(super) fn end(mut self) -> Vec<Fault> {
        let unknown: Vec<String> = std::mem::take(&mut self.values).into_iter().map(|(field, _)| field).collect();
        for field in unknown {
            self.wrong(&shown(&field), "is no field of this request");
        }
        self.faults
    }
}

/// A field's name as a stranger wrote it, fit to be shown.
fn shown(field: &str) -> String {
    field.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Faults of the form, and those of the meaning of fields whose form is right.
pub(super) fn both(form: Vec<Fault>, meaning: Vec<Fault>) -> Vec<Fault> {
    let whole = |fault: &Fault| !form.iter().any(|known| !known.field.is_empty() && known.field == fault.field);
    let meaning: Vec<Fault> = meaning.into_iter().filter(whole).collect();
    [form, meaning].concat()
}

/// A JSON value none of whose objects has a key twice: readers differ in which of the two counts.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Strict, D::Error> {
        from.deserialize_any(Reader).map(Strict)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom(format!("the key {:?} stands twice", shown(&key))));
            }
            let Strict(value) = entries.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(body: &str, read: impl Fn(&mut Fields)) -> Vec<String> {
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        read(&mut fields);
        fields.end().into_iter().map(|fault| format!("{} {}", fault.field, fault.message)).collect()
    }

    #[test]
    fn everything_wrong_with_the_form_is_told_at_once() {
        let read = |fields: &mut Fields| {
            fields.required("amount");
            fields.required("network");
            fields.text("note");
            fields.texts("list");
            fields.object("metadata");
            fields.each("items", |item| (item.required("name"), item.truth("good")));
        };
        assert!(faults(r#"{"amount":"1","network":"x"}"#, read).is_empty());
        assert!(
            faults(r#"{"amount":"1","network":"x","note":null,"list":null,"metadata":null,"items":null}"#, read)
                .is_empty()
        );
        let items = r#"{"amount":"1","network":"x","items":[{"name":"a","good":true},7,{"good":1,"more":2}]}"#;
        assert_eq!(
            faults(items, read),
            [
                "items.1 must be an object",
                "items.2.name is required",
                "items.2.good must be true or false",
                "items.2.more is no field of this request",
            ]
        );
        let found = faults(r#"{"amount":1,"note":7,"list":[1],"metadata":"x","extra":{},"\u0007":1}"#, read);
        assert_eq!(
            found,
            [
                "amount must be a string",
                "network is required",
                "note must be a string",
                "list must be a list of strings",
                "metadata must be an object",
                "\u{fffd} is no field of this request",
                "extra is no field of this request",
            ]
        );
    }

    #[test]
    fn what_is_no_object_without_doubles_is_refused() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for body in [
            "",
            "{",
            "nul",
            "{\"a\":1,}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":{\"b\":1,\"b\":2}}",
            "[{\"a\":1,\"a\":2}]",
            "\u{feff}{}",
            "{\"a\":1e999}",
            &deep,
            "{} {}",
        ] {
            assert!(Fields::parse(body.as_bytes()).is_err(), "{body:.40}");
        }
        assert!(Fields::parse(b"{\"a\":\"\xff\"}").is_err());
        for body in ["1", "null", "[]", "\"x\"", "true"] {
            assert!(Fields::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_field_is_wrong_once() {
        let fault = |field: &str, message: &str| Fault::new(field, message);
        let form = vec![fault("amount", "must be a string")];
        let meaning =
            vec![fault("amount", "must be more than 0"), fault("network", "is not watched here"), fault("", "x")];
        let fields: Vec<String> = both(form, meaning).into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["amount", "network", ""]);
    }
}
