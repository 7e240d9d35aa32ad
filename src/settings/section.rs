//! A section of the configuration while it is read: typed questions, and every fault kept instead of the first one
//! thrown. What nobody asked for in the end is an unknown key, so the questions are the list of keys. Not for which keys
//! there are: the readers beside it ask.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use config::{Map, Value, ValueKind};

use super::Problems;
use super::problems::{shown, unknown};
use super::value::{Given, duration, whole};
use crate::domain::SlugError;

/// Where a value was written, and as what: the latter only of paths, which are no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) origin: String,
    pub(super) text: String,
}

/// What was asked for in the end.
#[derive(Debug, Default)]
pub(super) struct Finished {
    /// All faults, unknown keys among them.
    pub(super) problems: Problems,
    /// The pattern of every key that was asked for.
    pub(super) keys: BTreeSet<String>,
    /// Every key that was given.
    pub(super) written: BTreeMap<String, Written>,
}

/// See the head of this file.
pub(super) struct Section {
    path: String,
    pattern: String,
    origin: String,
    values: BTreeMap<String, Value>,
    asked: Vec<&'static str>,
    origins: BTreeMap<&'static str, String>,
    finished: Finished,
}

impl Section {
    /// The whole configuration; `origin` names what a missing key is missing in.
    pub(super) fn root(values: Map<String, Value>, origin: String) -> Section {
        Section {
            path: String::new(),
            pattern: String::new(),
            origin,
            values: values.into_iter().collect(),
            asked: Vec::new(),
            origins: BTreeMap::new(),
            finished: Finished::default(),
        }
    }

    /// Ends the reading.
    pub(super) fn finish(mut self) -> Finished {
        for (key, value) in std::mem::take(&mut self.values) {
            let origin = origin_of(&value).unwrap_or_else(|| self.origin.clone());
            self.finished.problems.add(origin, dotted(&self.path, &key), unknown(&key, &self.asked));
        }
        self.finished
    }

    /// Reads the section `key`, which may be absent.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section) -> T) -> T {
        let pattern = dotted(&self.pattern, key);
        let value = self.values.remove(key);
        self.asked.push(key);
        self.inner(key, pattern, value, read)
    }

    /// Reads every entry of a map whose keys the operator chose, in order of the keys. `None` where one is faulty.
    pub(super) fn each<K, T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<K, SlugError>,
        mut read: impl FnMut(K, &mut Section) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.section(key, |map| {
            let pattern = dotted(&map.pattern, "*");
            let mut entries = Vec::new();
            for (name, value) in std::mem::take(&mut map.values) {
                entries.push(match parse(&name) {
                    Ok(key) => map.inner(&name, pattern.clone(), Some(value), |entry| read(key, entry)),
                    Err(error) => {
                        map.finished.problems.add(
                            map.origin.clone(),
                            dotted(&map.path, &name),
                            format!("{error}; rename it"),
                        );
                        None
                    }
                });
            }
            entries.into_iter().collect()
        })
    }

    fn inner<T>(
        &mut self,
        key: &str,
        pattern: String,
        value: Option<Value>,
        read: impl FnOnce(&mut Section) -> T,
    ) -> T {
        let origin = value.as_ref().and_then(origin_of).unwrap_or_else(|| self.origin.clone());
        let mut section = Section::root(Map::new(), origin);
        section.path = dotted(&self.path, key);
        section.pattern = pattern;
        let misplaced = match value.map(|value| value.kind) {
            Some(ValueKind::Table(table)) => {
                section.values = table.into_iter().collect();
                false
            }
            other => other.is_some(),
        };
        let (origin, path) = (section.origin.clone(), section.path.clone());
        let result = read(&mut section);
        let Finished { problems, keys, written } = section.finish();
        self.finished.keys.extend(keys);
        self.finished.written.extend(written);
        if misplaced {
            self.finished.problems.add(origin, path, "must be a section; write keys below it");
        } else {
            self.finished.problems.append(problems);
        }
        result
    }

    /// The value of `key` as written.
    fn take(&mut self, key: &'static str) -> Option<Given> {
        self.asked.push(key);
        self.finished.keys.insert(dotted(&self.pattern, key));
        let value = self.values.remove(key)?;
        let origin = origin_of(&value).unwrap_or_else(|| self.origin.clone());
        self.origins.insert(key, origin.clone());
        let given = Given(value.kind);
        let text = if key.ends_with("_file") { given.text().unwrap_or_default() } else { String::new() };
        self.finished.written.insert(dotted(&self.path, key), Written { origin, text });
        Some(given)
    }

    /// Notes what is wrong with `key`, where it was given, or else where it is missing.
    pub(super) fn fault(&mut self, key: &'static str, fault: impl Into<String>) {
        let origin = self.origins.get(key).unwrap_or(&self.origin).clone();
        self.finished.problems.add(origin, dotted(&self.path, key), fault);
    }

    /// Whether `key`, already asked for, was there.
    pub(super) fn gave(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    /// The value of `key` as `parse` reads it. A value that is wrong is a fault, and `None` like one that is absent.
    pub(super) fn text<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let given = self.take(key)?;
        let read = given.text().and_then(|text| parse(&text));
        read.map_err(|fault| self.fault(key, fault)).ok()
    }

    /// Like [`Section::text`], but absence is a fault as well, cured by `cure`.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        cure: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.values.contains_key(key) {
            self.fault(key, format!("is missing; {cure}"));
        }
        self.text(key, parse)
    }

    /// The texts of a list, empty where absent.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<String> {
        let read = self.take(key).map(|given| given.list());
        read.and_then(|list| list.map_err(|fault| self.fault(key, fault)).ok()).unwrap_or_default()
    }

    /// A whole number within `range`, both ends included.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.text(key, |text| whole(text, &range))
    }

    /// Like [`Section::number`], for ranges that 32 bits hold.
    pub(super) fn small(&mut self, key: &'static str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let wide = u64::from(*range.start())..=u64::from(*range.end());
        self.number(key, wide).and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
    }

    /// `true` or `false`.
    pub(super) fn truth(&mut self, key: &'static str) -> Option<bool> {
        self.choice(key, &[("true", true), ("false", false)])
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.text(key, |text| {
            let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
            found.ok_or_else(|| {
                let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("{} is none of {}; write one of these", shown(text), all.join(", "))
            })
        })
    }

    /// A duration with its unit, from `least` to `most`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        least: Duration,
        most: Duration,
    ) -> Duration {
        self.text(key, |text| duration(text, least, most)).unwrap_or(default)
    }
}

fn dotted(above: &str, key: &str) -> String {
    if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") }
}

/// Who gave a value: of a section, its first key.
fn origin_of(value: &Value) -> Option<String> {
    if let ValueKind::Table(table) = &value.kind
        && let Some((_, first)) = table.iter().min_by_key(|(key, _)| key.as_str())
    {
        return origin_of(first);
    }
    value.origin().map(str::to_owned)
}
