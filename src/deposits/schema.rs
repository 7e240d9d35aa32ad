//! Metadata and the JSON Schema that a widget may demand of it. A schema is a stranger's program: it loads nothing, refers
//! to nothing, and its size bounds its work; patterns run in linear time. Not for what metadata means.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

/// Bytes of metadata as JSON.
const BYTES: usize = 2_048;
/// Bytes of a schema as JSON.
const SCHEMA_BYTES: usize = 16_384;
/// Levels of objects and lists.
const DEPTH: usize = 16;
/// Of what a schema finds, so much is told.
const FINDINGS: usize = 10;
/// Patterns of one schema, and the memory that each may take once compiled. They are compiled for each request: 1 ms for a
/// usual schema, 30 ms for the dearest.
const PATTERNS: usize = 32;
const PATTERN_BYTES: usize = 131_072;
/// What makes a small schema long work. Forty definitions that each name the next one twice keep a core busy for days. What
/// is left unevaluated is found by evaluating all beside it again, at each level: fifteen of them are hundreds of thousands.
const DEAR: [&str; 5] = ["$ref", "$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems"];

/// Whether a schema can be used.
pub(super) fn usable(schema: &Value) -> Result<(), String> {
    if !schema.is_object() {
        return Err("must be a JSON Schema object".to_owned());
    }
    if schema.to_string().len() > SCHEMA_BYTES {
        return Err(format!("must have at most {SCHEMA_BYTES} bytes"));
    }
    let parts = parts(schema)?;
    if texts(&parts).any(|text| text.contains('\0')) {
        return Err("must not hold U+0000".to_owned());
    }
    let objects = || parts.iter().filter_map(|part| part.as_object());
    if objects().map(patterns).sum::<usize>() > PATTERNS {
        return Err(format!("must have at most {PATTERNS} patterns"));
    }
    compile(schema).map(drop)
}

fn patterns(fields: &Map<String, Value>) -> usize {
    let of_properties = fields.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
    of_properties.saturating_add(fields.get("pattern").map_or(0, |_| 1))
}

/// What is wrong with metadata by its own limits and by the widget's schema.
pub(super) fn faults(metadata: &Value, schema: Option<&Value>) -> Vec<String> {
    let bytes = metadata.to_string().len();
    if bytes > BYTES {
        return vec![format!("must have at most {BYTES} bytes as JSON, and has {bytes}")];
    }
    if let Err(fault) = plain(metadata) {
        return vec![fault];
    }
    let Some(schema) = schema else { return Vec::new() };
    match compile(schema) {
        Ok(validator) => validator.iter_errors(metadata).take(FINDINGS).map(|error| told(&error)).collect(),
        Err(fault) => vec![format!("cannot be checked: the widget's metadataSchema {fault}")],
    }
}

/// What a schema found, without the value that it found it in.
fn told(error: &jsonschema::ValidationError<'_>) -> String {
    let at = error.instance_path().to_string();
    let place = if at.is_empty() { String::new() } else { format!("at {at}: ") };
    format!("does not match the widget's schema: {place}{}", error.masked())
}

fn compile(schema: &Value) -> Result<Validator, String> {
    let parts = parts(schema)?;
    let mut keys = parts.iter().filter_map(|part| part.as_object()).flat_map(Map::keys);
    if let Some(key) = keys.find(|key| DEAR.contains(&key.as_str())) {
        return Err(format!("must not use {key}; write out what it stands for"));
    }
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES);
    let options = jsonschema::options().with_pattern_options(patterns).offline();
    options.build(schema).map_err(|error| format!("is no usable JSON Schema: {}", error.masked()))
}

/// PostgreSQL's jsonb holds no U+0000, and nobody needs control characters in what people will read.
fn plain(metadata: &Value) -> Result<(), String> {
    let controls = texts(&parts(metadata)?).any(|text| text.contains(char::is_control));
    if controls { Err("must not hold control characters".to_owned()) } else { Ok(()) }
}

/// A value and all that is in it, or that it is nested too deep.
fn parts(value: &Value) -> Result<Vec<&Value>, String> {
    let (mut found, mut waiting) = (Vec::new(), vec![(value, 1_usize)]);
    while let Some((value, depth)) = waiting.pop() {
        if depth > DEPTH {
            return Err(format!("must not be nested deeper than {DEPTH} levels"));
        }
        let deeper = depth.saturating_add(1);
        match value {
            Value::Array(items) => waiting.extend(items.iter().map(|item| (item, deeper))),
            Value::Object(fields) => waiting.extend(fields.values().map(|field| (field, deeper))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        found.push(value);
    }
    Ok(found)
}

/// Every text among them, and every key.
fn texts<'v>(parts: &[&'v Value]) -> impl Iterator<Item = &'v str> {
    let strings = parts.iter().filter_map(|part| part.as_str());
    let keys = parts.iter().filter_map(|part| part.as_object()).flat_map(|fields| fields.keys().map(String::as_str));
    strings.chain(keys)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_is_bounded() {
        assert!(faults(&json!({ "order": "A-1", "n": [1, null, { "x": true }] }), None).is_empty());
        assert!(faults(&json!({ "a": "\u{202e}e\u{301}\u{1f600}'; DROP TABLE x; --" }), None).is_empty());
        let fits = |length: usize| json!({ "k": "x".repeat(length) });
        assert!(faults(&fits(BYTES - 8), None).is_empty());
        assert_eq!(faults(&fits(BYTES - 7), None).len(), 1);
        let deep = (0..DEPTH).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(faults(&deep, None).len(), 1);
        for bad in [
            json!({ "a": "\u{0}" }),
            json!({ "\u{7}": 1 }),
            json!([["\u{1b}[31m"]]),
            json!({ "a": { "b\0": [] } }),
            json!({ "a": "two\r\nlines" }),
            json!({ "a": ["\u{9f}"] }),
        ] {
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
    fn a_fault_repeats_no_value() {
        let schema =
            json!({ "properties": { "a": { "maxLength": 3 }, "b": { "const": "x" }, "c": { "pattern": "^x$" } } });
        let found = faults(&json!({ "a": "hunter2", "b": "hunter2", "c": "hunter2" }), Some(&schema));
        assert!(found.len() == 3 && !found.concat().contains("hunter2"), "{found:?}");
    }

    #[test]
    fn schemas_load_nothing() {
        for url in ["http://127.0.0.1:1/schema", "file:///etc/passwd", "https://example.com/schema.json"] {
            assert!(usable(&json!({ "$ref": url })).is_err(), "{url}");
            assert!(usable(&json!({ "$schema": url })).is_err(), "{url}");
            assert!(compile(&json!({ "$ref": url })).is_err(), "{url}");
        }
    }

    #[test]
    fn a_schema_is_bounded() {
        let many = |count: usize| {
            let fields = (0..count).map(|n| (n.to_string(), json!({ "pattern": "^x$" })));
            json!({ "properties": fields.collect::<Map<_, _>>() })
        };
        assert_eq!(usable(&many(PATTERNS)), Ok(()));
        for bad in [
            json!(1),
            json!({ "type": "no such" }),
            json!({ "pattern": "(" }),
            json!({ "pattern": "(?=x)" }),
            json!({ "pattern": "\\p{L}{100}" }),
            json!({ "title": "\0" }),
            json!({ "x": "y".repeat(SCHEMA_BYTES) }),
            many(PATTERNS + 1),
            json!({ "patternProperties": (0..=PATTERNS).map(|n| (n.to_string(), json!(true))).collect::<Map<_, _>>() }),
            (0..DEPTH).fold(json!({}), |inner, _| json!({ "not": inner })),
        ] {
            assert!(usable(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_schema_is_no_trap() {
        let doubled =
            |n: usize| json!({ "allOf": [{ "$ref": format!("#/$defs/{n}") }, { "$ref": format!("#/$defs/{n}") }] });
        let definitions = (0..40).map(|n| (n.to_string(), if n == 39 { json!({}) } else { doubled(n + 1) }));
        let bomb = json!({ "$defs": definitions.collect::<Map<_, _>>(), "$ref": "#/$defs/0" });
        let nested =
            (0..DEPTH - 2).fold(json!({}), |inner, _| json!({ "if": inner, "then": {}, "unevaluatedProperties": {} }));
        let items = json!({ "items": { "unevaluatedItems": false } });
        for bad in [json!({ "$ref": "#" }), json!({ "not": { "$dynamicRef": "#" } }), bomb, nested, items] {
            assert!(usable(&bad).unwrap_err().starts_with("must not use"), "{bad}");
            // Nor one that was stored by whoever allowed it.
            assert_eq!(faults(&json!({ "a": 1 }), Some(&bad)).len(), 1, "{bad}");
        }
        let trap = json!({ "properties": { "a": { "pattern": "^(a+)+$" } } });
        assert_eq!(usable(&trap), Ok(()));
        let begun = Instant::now();
        assert_eq!(faults(&json!({ "a": format!("{}!", "a".repeat(2_000)) }), Some(&trap)).len(), 1);
        assert!(begun.elapsed() < Duration::from_secs(1));
        // The dearest patterns there may be, compiled for one request.
        let dear = (0..PATTERNS).map(|n| (n.to_string(), json!({ "pattern": format!("^{n}[a-z]{{1,200}}\\d{{3}}$") })));
        let dear = json!({ "properties": dear.collect::<Map<_, _>>() });
        let begun = Instant::now();
        _ = usable(&dear);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}
