//! Where the pinned binaries of `tests/tools/package.json` lie. Not for running them.
//!
//! npm links no `anvil` command where two packages claim that name, and may refuse the install script that makes
//! PostgreSQL's library links; so binaries are taken from the platform's packages and links are made here.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::guard::User;

/// A `node_modules` folder.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
    installed: Option<PathBuf>,
}

impl Tools {
    /// Where `make tools` puts them, seen from the repository's top.
    pub const FOLDER: &'static str = "tests/tools/node_modules";
    /// Names another folder.
    pub const VARIABLE: &'static str = "DEPOSIT_WATCHER_TOOLS";

    /// Names a folder with `initdb` and `postgres` of another PostgreSQL, such as `/usr/lib/postgresql/15/bin`.
    pub const POSTGRES_VARIABLE: &'static str = "DEPOSIT_WATCHER_POSTGRES_BIN";

    /// The tools in this folder.
    pub fn at(folder: impl Into<PathBuf>) -> Tools {
        Tools { folder: folder.into(), installed: None }
    }

    /// The same with a PostgreSQL that is installed on this machine.
    pub fn with_postgres(self, bin: Option<PathBuf>) -> Tools {
        Tools { installed: bin, ..self }
    }

    /// Where that one's programs are.
    pub fn installed_postgres(&self) -> Option<&Path> {
        self.installed.as_deref()
    }

    /// anvil itself.
    pub fn anvil(&self) -> anyhow::Result<PathBuf> {
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        self.existing(&format!("@foundry-rs/anvil-{}-{arch}/bin/anvil", system()))
    }

    /// PostgreSQL's `bin`, `lib` and `share`.
    pub fn postgres(&self) -> anyhow::Result<PathBuf> {
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        let native = format!("@embedded-postgres/{}-{arch}/native", system());
        self.existing(&format!("{native}/bin/postgres"))?;
        self.existing(&native)
    }

    fn existing(&self, path: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(path);
        match path.canonicalize() {
            Ok(path) => Ok(path),
            Err(error) => {
                bail!("{}: {error}; run `make tools` (or name the folder in {})", path.display(), Tools::VARIABLE)
            }
        }
    }
}

fn system() -> &'static str {
    if cfg!(target_os = "macos") { "darwin" } else { "linux" }
}

/// Copies PostgreSQL's files so that another user reaches and reads them, by hard links where possible, and makes the
/// library links that the npm package only lists.
pub fn copy_postgres(native: &Path, to: &Path, user: Option<User>) -> anyhow::Result<()> {
    copy_folder(native, to, user).with_context(|| format!("cannot copy {}", native.display()))?;
    let listed = fs::read_to_string(native.join("pg-symlinks.json")).unwrap_or_default();
    for (source, target) in listed_links(&listed) {
        let (Some(name), Some(target)) = (Path::new(source).file_name(), target.strip_prefix("native/")) else {
            continue;
        };
        let target = to.join(target);
        if fs::symlink_metadata(&target).is_err() {
            symlink(name, target)?;
        }
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path, user: Option<User>) -> std::io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    if let Some(user) = user {
        // The guard runs as that user and removes the folder at the end.
        chown(to, Some(user.uid), Some(user.gid))?;
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&source, &target, user)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if source.extension().is_none_or(|extension| extension != "a") {
            copy_file(&source, &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    let mode = fs::metadata(from)?.mode();
    let open = mode & 0o044 == 0o044;
    if open && fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(if mode & 0o100 == 0 { 0o644 } else { 0o755 }))
}

/// Reads `[{"source":"…","target":"…"},…]`, whose strings hold nothing escaped.
fn listed_links(json: &str) -> impl Iterator<Item = (&str, &str)> {
    let value = |entry: &'static str| move |text| Some(text_after(text, entry)?.split_once('"')?.0);
    json.split('{').filter_map(move |entry| Some((value("\"source\":\"")(entry)?, value("\"target\":\"")(entry)?)))
}

fn text_after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, after)| after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_list_of_links() {
        let json = r#"[{"source":"native/lib/a.so.1","target":"native/lib/a.so"},{"source":"x","target":"y"}]"#;
        let links: Vec<_> = listed_links(json).collect();
        assert_eq!(links, [("native/lib/a.so.1", "native/lib/a.so"), ("x", "y")]);
        assert_eq!(listed_links("").count(), 0);
    }

    #[test]
    fn says_how_to_get_what_is_missing() {
        let error = Tools::at("no/such/folder").anvil().unwrap_err().to_string();
        assert!(error.contains("make tools") && error.contains("no/such/folder"), "{error}");
    }
}
