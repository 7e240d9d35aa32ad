//! Where configuration comes from: files, environment variables and the command line, each a [`Layer`], the later over
//! the earlier. Not for what the keys mean: every value is handed on as written, with the name of its source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config, FileFormat, Format, Map, Source, Value, ValueKind};

use super::Problems;
use super::problems::shown;
use crate::domain::Slug;

/// How an environment variable must begin to be ours. One underscore is not enough: Kubernetes sets
/// `DEPOSIT_WATCHER_SERVICE_HOST` and more for a service of our name.
const PREFIX: &str = "DEPOSIT_WATCHER__";

/// How the command line is called where a value's origin is told.
pub(super) const COMMAND_LINE: &str = "the command line";

/// The parts of the longest key, `networks.SLUG.rpc.KEY.url`.
const DEEPEST: usize = 5;

/// The values of one source by dotted key. Empty sections are values, too.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(BTreeMap<String, Value>);

impl Layer {
    /// Reads a TOML file; `None` where it cannot be read, which is a fault.
    ///
    /// A parser's message quotes the line it stumbles over, and that may hold a secret: only the place is told.
    pub(super) fn file(path: &Path, problems: &mut Problems) -> Option<Layer> {
        let name = path.display().to_string();
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|error| {
            problems.add(&name, "", format!("cannot be read: {error}; create it or name another with --config"));
        });
        let text = text.ok()?;
        let parsed = FileFormat::Toml.parse(Some(&name), &text).map_err(|error| {
            let message = error.to_string();
            let place = message.lines().next().and_then(|line| line.strip_prefix("TOML parse error "));
            let cure = "check quotes, brackets and numbers there, and that no key is given twice";
            problems.add(&name, "", format!("is not valid TOML {}; {cure}", place.unwrap_or("somewhere")));
        });
        let mut layer = Layer::default();
        layer.flatten("", parsed.ok()?, &name, problems);
        Some(layer)
    }

    /// Reads what of `variables` is ours: `DATABASE_URL`, and above it `DEPOSIT_WATCHER__SECTION__KEY`.
    ///
    /// Names are lower-cased behind the prefix; an empty variable is as good as none.
    pub(super) fn environment(variables: Vec<(String, String)>, problems: &mut Problems) -> [Layer; 2] {
        let mut plain = Layer::default();
        let mut ours = Layer::default();
        for (name, value) in variables.into_iter().collect::<BTreeMap<_, _>>() {
            if value.is_empty() {
                continue;
            }
            if name == "DATABASE_URL" {
                plain.give("database.url", &name, value, problems);
            } else if let Some(rest) = name.strip_prefix(PREFIX) {
                ours.give(&rest.to_lowercase().replace("__", "."), &name, value, problems);
            }
        }
        [plain, ours]
    }

    /// Reads (dotted key, value) pairs of the command line; later wins.
    pub(super) fn flags(flags: &[(String, String)], problems: &mut Problems) -> Layer {
        let last: BTreeMap<&str, &str> = flags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut layer = Layer::default();
        for (key, value) in last {
            layer.give(key, COMMAND_LINE, value.to_owned(), problems);
        }
        layer
    }

    /// Takes one value by its dotted key, which must be whole: neither given twice nor a section of another.
    fn give(&mut self, key: &str, origin: &str, value: String, problems: &mut Problems) {
        // Below, sections are taken apart by recursion.
        if key.split('.').count() > DEEPEST {
            problems.add(origin, shown(key), "has more parts than any key; remove it");
            return;
        }
        let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        if let Some(part) = key.split('.').find(|part| Slug::parse(part).is_err()) {
            problems.add(origin, key, illegal(part));
        } else if let Some((other, twin)) =
            self.0.iter().find(|(other, _)| *other == key || within(key, other) || within(other, key))
        {
            let twin = twin.origin().unwrap_or("another");
            problems.add(origin, key, format!("clashes with `{other}` of {twin}; remove one of them"));
        } else {
            let value = Value::new(Some(&origin.to_owned()), ValueKind::String(value));
            self.0.insert(key.to_owned(), value);
        }
    }

    /// Takes a file's table, section by section.
    fn flatten(&mut self, above: &str, table: Map<String, Value>, origin: &str, problems: &mut Problems) {
        for (part, value) in table.into_iter().collect::<BTreeMap<_, _>>() {
            let key = if above.is_empty() { part.clone() } else { format!("{above}.{part}") };
            if Slug::parse(&part).is_err() {
                problems.add(origin, key, illegal(&part));
                continue;
            }
            if let ValueKind::Table(inner) = &value.kind
                && !inner.is_empty()
            {
                self.flatten(&key, inner.clone(), origin, problems);
            } else {
                self.0.insert(key, value);
            }
        }
    }

    /// The keys that this layer decides: a secret and its `_file` twin are two ways to say one thing.
    fn twins(&self) -> impl Iterator<Item = (String, String)> {
        self.0.keys().filter_map(|key| {
            let base = key.strip_suffix("_file").unwrap_or(key);
            (base == "url" || base.ends_with(".url")).then(|| (base.to_owned(), format!("{base}_file")))
        })
    }
}

/// Why a part of a key cannot be one.
fn illegal(part: &str) -> String {
    let lower = part.to_lowercase();
    if Slug::parse(&lower).is_ok() {
        format!("is not in lower case; write `{lower}`")
    } else {
        format!("has the part {} that no key can have; use a-z, 0-9 and single underscores", shown(part))
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let mut root = Map::new();
        for (key, value) in &self.0 {
            nest(&mut root, key, value);
        }
        Ok(root)
    }
}

/// Puts a value in its section. Dotted keys would do for `config`, were it not for keys that begin with a digit.
fn nest(table: &mut Map<String, Value>, key: &str, value: &Value) {
    let Some((section, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value.clone());
        return;
    };
    let empty = || Value::new(value.origin().map(str::to_owned).as_ref(), Map::<String, Value>::new());
    if let ValueKind::Table(inner) = &mut table.entry(section.to_owned()).or_insert_with(empty).kind {
        nest(inner, rest, value);
    }
}

/// The files that are read: the given ones, or `networks.toml` in the working directory.
pub(super) fn files_or_default(files: &[PathBuf]) -> Vec<PathBuf> {
    if files.is_empty() { vec![PathBuf::from("networks.toml")] } else { files.to_vec() }
}

/// Lays the layers over each other, the last on top. Where a layer gives a secret or its `_file` twin, neither of the
/// two counts in the layers below.
pub(super) fn merge(mut layers: Vec<Layer>, problems: &mut Problems) -> Map<String, Value> {
    for top in (1..layers.len()).rev() {
        let (below, above) = layers.split_at_mut(top);
        let decided: Vec<_> = above.first().into_iter().flat_map(Layer::twins).collect();
        for layer in below {
            layer.0.retain(|key, _| !decided.iter().any(|(plain, file)| key == plain || key == file));
        }
    }
    let builder = layers.into_iter().fold(Config::builder(), |builder, layer| builder.add_source(layer));
    builder.build().and_then(|config| config.collect()).unwrap_or_else(|_| {
        problems.add("configuration", "", "cannot be put together; give fewer sources");
        Map::new()
    })
}
