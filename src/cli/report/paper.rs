//! What a report is written on: stdout, or a file that is there whole or not at all and never takes another's place
//! unasked. Counts and fingerprints what is written. Not for what that is.

use std::fs::{self, File};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;
use crate::keys::Fingerprint;

/// Somewhere to write.
pub(super) struct Paper {
    to: To,
    fingerprint: Fingerprint,
    bytes: u64,
}

enum To {
    Stdout(BufWriter<Stdout>),
    File(BufWriter<File>, Draft),
}

/// A file under a name of its own, until it is whole. Removed if that never happens.
struct Draft {
    draft: PathBuf,
    name: PathBuf,
}

/// What was written, and the file that is still to be named.
pub(super) struct Written {
    /// SHA-256 in hexadecimal digits.
    pub(super) sha256: String,
    /// How much.
    pub(super) bytes: u64,
    draft: Option<Draft>,
}

/// Refuses what would take another file's place.
pub(super) fn vacant(path: &Path, force: bool) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(Failure::usage(format!("{} is a folder", path.display()))),
        Ok(_) if !force => Err(taken(path)),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn taken(path: &Path) -> Failure {
    Failure::usage(format!("{} exists; name another file, or replace it with --force", path.display()))
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written: {error}", path.display()))
}

impl Paper {
    /// The file of this name, or stdout.
    pub(super) fn open(name: Option<&Path>) -> Result<Paper, Failure> {
        let to = match name {
            None => To::Stdout(BufWriter::new(io::stdout())),
            Some(name) => {
                let mut draft = name.as_os_str().to_owned();
                draft.push(format!(".{}.partial", std::process::id()));
                let draft = Draft { draft: draft.into(), name: name.to_owned() };
                let file = File::options().write(true).create_new(true).open(&draft.draft);
                To::File(BufWriter::new(file.map_err(|error| cannot(name, &error))?), draft)
            }
        };
        Ok(Paper { to, fingerprint: Fingerprint::default(), bytes: 0 })
    }

    /// Writes on.
    pub(super) fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.fingerprint.take(text.as_bytes());
        self.bytes = self.bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        match &mut self.to {
            To::Stdout(stdout) => Ok(stdout.write_all(text.as_bytes())?),
            To::File(file, draft) => file.write_all(text.as_bytes()).map_err(|error| cannot(&draft.name, &error)),
        }
    }

    /// All is written.
    pub(super) fn end(self) -> Result<Written, Failure> {
        let draft = match self.to {
            To::Stdout(mut stdout) => {
                stdout.flush()?;
                None
            }
            To::File(mut file, draft) => {
                let kept = file.flush().and_then(|()| file.get_ref().sync_all());
                kept.map_err(|error| cannot(&draft.name, &error))?;
                Some(draft)
            }
        };
        Ok(Written { sha256: self.fingerprint.hex(), bytes: self.bytes, draft })
    }
}

impl Written {
    /// Gives the file its name.
    pub(super) fn place(self, force: bool) -> Result<(), Failure> {
        let Some(draft) = &self.draft else { return Ok(()) };
        let placed = if force { fs::rename(&draft.draft, &draft.name) } else { draft.take_free_name() };
        let exists = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        placed.map_err(|error| if exists(&error) { taken(&draft.name) } else { cannot(&draft.name, &error) })
    }
}

impl Draft {
    /// A link is refused where the name was taken meanwhile. Some file systems have none: there a look must do.
    fn take_free_name(&self) -> io::Result<()> {
        match fs::hard_link(&self.draft, &self.name) {
            Err(_) if fs::symlink_metadata(&self.name).is_err() => fs::rename(&self.draft, &self.name),
            linked => linked,
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Gone already where it was renamed.
        let _ = fs::remove_file(&self.draft);
    }
}
