//! Configuration from the outside: texts and variables go in, settings or lines of faults come out. What one value may
//! look like is tested beside its reader; the example file has its own tests in [`example`].

mod digest;
mod effective;
mod example;
mod faults;
mod layering;
mod secrets;

use std::path::PathBuf;

use super::{Problems, Settings, load};

/// The least that a network needs, to which tests add.
pub(super) const POLYGON: &str = r#"
[networks.polygon]
chain_id = 137
[networks.polygon.rpc.primary]
url = "https://rpc.example.com/key"
[networks.polygon.tokens.usdc]
symbol = "USDC"
address = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
decimals = 6
"#;

/// Loads texts as files `0.toml`, `1.toml`, … with an environment and flags.
pub(super) fn load_texts(
    texts: &[&str],
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Settings, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let write = |(number, text): (usize, &&str)| {
        let path = folder.path().join(format!("{number}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    };
    let files: Vec<PathBuf> = texts.iter().enumerate().map(write).collect();
    load(&files, owned(environment).into_iter(), &owned(flags))
}

/// The faults of such a load as lines, with file names instead of paths.
pub(super) fn faults(texts: &[&str], environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Vec<String> {
    let problems = load_texts(texts, environment, flags).expect_err("a fault");
    let name = |origin: &str| origin.rsplit('/').next().unwrap_or_default().to_owned();
    let told = problems.iter().map(|problem| super::Problem { origin: name(&problem.origin), ..problem.clone() });
    told.map(|problem| problem.to_string()).collect()
}
