//! What stands behind the `?` of a list, read strictly: nothing twice, nothing unknown, all that is wrong at once.

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::domain::Fault;
use crate::http::problem::Problem;

/// Parameters while they are read; what nobody asked for in the end is unknown.
#[derive(Debug)]
pub(super) struct Query {
    values: BTreeMap<String, String>,
    faults: Vec<Fault>,
}

impl Query {
    /// Reads the part behind the `?`.
    pub(super) fn read(text: Option<&str>) -> Query {
        let mut query = Query { values: BTreeMap::new(), faults: Vec::new() };
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            if query.values.insert(name.to_string(), value.into_owned()).is_some() {
                query.wrong(&name, "stands twice");
            }
        }
        query
    }

    fn wrong(&mut self, name: &str, message: &str) {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        self.faults.push(Fault::new(shown, message));
    }

    /// A parameter's text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// A parameter that is a whole number.
    pub(super) fn number(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let number = if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None };
        if number.is_none() {
            self.wrong(name, "must be a whole number");
        }
        number
    }

    /// A parameter as `parse` reads it.
    pub(super) fn choice<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>, all: &str) -> Option<T> {
        let text = self.text(name)?;
        let read = parse(&text);
        if read.is_none() {
            self.wrong(name, &format!("must be one of {all}"));
        }
        read
    }

    /// All that was wrong.
    pub(super) fn end(mut self) -> Result<(), Problem> {
        let unknown: Vec<String> = std::mem::take(&mut self.values).into_keys().collect();
        unknown.iter().for_each(|name| self.wrong(name, "is no parameter of this request"));
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::faults(self.faults)) }
    }
}
