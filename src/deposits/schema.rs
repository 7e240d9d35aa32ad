//! Metadata and the JSON Schema that a widget may demand of it. Schemas are bounded and load nothing from anywhere; their
//! patterns run in linear time, since a stranger writes what they are matched against.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Bytes of metadata as JSON.
const BYTES: usize = 2_048;
/// Bytes of a schema as JSON.
const SCHEMA_BYTES: usize = 16_384;
/// Levels of objects and lists.
const DEPTH: usize = 16;
/// Of what a schema finds, so much is told.
const FINDINGS: usize = 10;

/// Whether a schema can be used.
pub(super) fn usable(schema: &Value) -> Result<(), String> {
    if !schema.is_object() {
        return Err("must be a JSON Schema object".to_owned());
    }
    if schema.to_string().len() > SCHEMA_BYTES {
        return Err(format!("must have at most {SCHEMA_BYTES} bytes"));
    }
    fit(schema)?;
    compile(schema).map(drop)
}

/// What is wrong with metadata by its own limits and by the widget's schema.
pub(super) fn faults(metadata: &Value, schema: Option<&Value>) -> Vec<String> {
    let bytes = metadata.to_string().len();
    if bytes > BYTES {
        return vec![format!("must have at most {BYTES} bytes as JSON, and has {bytes}")];
    }
    if let Err(fault) = fit(metadata) {
        return vec![fault];
    }
    let Some(schema) = schema else { return Vec::new() };
    match compile(schema) {
        Ok(validator) => {
            let finding = |error: jsonschema::ValidationError<'_>| {
                let at = error.instance_path().to_string();
                let place = if at.is_empty() { String::new() } else { format!("at {at}: ") };
                format!("does not match the widget's schema: {place}{}", error.masked())
            };
            validator.iter_errors(metadata).take(FINDINGS).map(finding).collect()
        }
        Err(fault) => vec![format!("cannot be checked: the widget's metadataSchema {fault}")],
    }
}

fn compile(schema: &Value) -> Result<Validator, String> {
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    options.build(schema).map_err(|error| format!("is no usable JSON Schema: {error}"))
}

/// PostgreSQL's jsonb holds no U+0000, and nobody needs control characters in what people will read.
fn fit(value: &Value) -> Result<(), String> {
    let mut waiting = vec![(value, 1_usize)];
    while let Some((value, depth)) = waiting.pop() {
        if depth > DEPTH {
            return Err(format!("must not be nested deeper than {DEPTH} levels"));
        }
        let deeper = depth.saturating_add(1);
        match value {
            Value::String(text) => plain(text)?,
            Value::Array(items) => waiting.extend(items.iter().map(|item| (item, deeper))),
            Value::Object(fields) => {
                fields.keys().try_for_each(|key| plain(key))?;
                waiting.extend(fields.values().map(|field| (field, deeper)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    Ok(())
}

fn plain(text: &str) -> Result<(), String> {
    let controls = text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c));
    if controls { Err("must not hold control characters".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_bounded() {
        assert!(faults(&json!({ "order": "A-1", "n": [1, null, { "x": true }] }), None).is_empty());
        assert!(faults(&json!({ "note": "two\nlines" }), None).is_empty());
        let fits = |length: usize| json!({ "k": "x".repeat(length) });
        assert!(faults(&fits(BYTES - 8), None).is_empty());
        assert_eq!(faults(&fits(BYTES - 7), None).len(), 1);
        let deep = (0..DEPTH).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(faults(&deep, None).len(), 1);
        for bad in [json!({ "a": "\u{0}" }), json!({ "\u{7}": 1 }), json!([["\u{1b}[31m"]])] {
            assert_eq!(faults(&bad, None), ["must not hold control characters"], "{bad}");
        }
    }

    #[test]
    fn a_schema_is_kept_to() {
        let schema = json!({ "type": "object", "required": ["order"], "additionalProperties": false,
            "properties": { "order": { "type": "string", "pattern": "^[A-Z]-[0-9]+$" } } });
        assert_eq!(usable(&schema), Ok(()));
        assert!(faults(&json!({ "order": "A-1" }), Some(&schema)).is_empty());
        for bad in [json!({}), json!({ "order": 1 }), json!({ "order": "a" }), json!({ "order": "A-1", "x": 1 })] {
            let found = faults(&bad, Some(&schema));
            assert!(found.len() == 1 && found[0].starts_with("does not match the widget's schema"), "{bad}: {found:?}");
        }
        let found = faults(&json!({ "order": "a" }), Some(&schema));
        assert!(found[0].contains("at /order: "), "{found:?}");
    }

    #[test]
    fn schemas_load_nothing_and_are_no_traps() {
        for bad in [
            json!(1),
            json!({ "type": "no such" }),
            json!({ "pattern": "(" }),
            json!({ "x": "y".repeat(SCHEMA_BYTES) }),
        ] {
            assert!(usable(&bad).is_err(), "{bad}");
        }
        for url in ["http://127.0.0.1:1/schema", "file:///etc/passwd", "https://example.com/schema.json"] {
            assert!(usable(&json!({ "$ref": url })).is_err(), "{url}");
        }
        let trap = json!({ "properties": { "a": { "pattern": "^(a+)+$" } } });
        assert_eq!(usable(&trap), Ok(()));
        let begun = Instant::now();
        assert_eq!(faults(&json!({ "a": format!("{}!", "a".repeat(2_000)) }), Some(&trap)).len(), 1);
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}
