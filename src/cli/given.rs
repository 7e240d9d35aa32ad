//! Files that a person named on the command line. Not for the configuration's.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::exit::Failure;

/// The text of the file that this flag names, if it is not longer than so many bytes.
pub(super) fn file(flag: &str, path: &Path, at_most: u64) -> Result<String, Failure> {
    let wrong = |why: String| Failure::usage(format!("--{flag}: {} {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let read = file.take(at_most.saturating_add(1)).read_to_string(&mut text);
    let length = read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    match u64::try_from(length).is_ok_and(|length| length > at_most) {
        true => Err(wrong(format!("is longer than {at_most} bytes"))),
        false => Ok(text),
    }
}
