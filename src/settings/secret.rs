//! Reads what must not be shown: addresses on the net that may hold a password or a provider's key, and keys; as they
//! are or from the file that a `_file` twin names. No fault ever repeats one. Not for what uses them.

use url::Url;

use super::problems::shown;
use super::section::Section;
use crate::domain::Secret;

/// Schemes of a database.
pub(super) const POSTGRES: &[&str] = &["postgres", "postgresql"];
/// Schemes of a page.
pub(super) const HTTP: &[&str] = &["http", "https"];
/// Schemes of an endpoint.
pub(super) const RPC: &[&str] = &["http", "https", "ws", "wss"];

/// What the two keys `url` and `url_file` gave.
pub(super) enum Twin {
    /// Neither is there.
    Absent,
    /// One of them, well.
    Read(Url),
    /// Something is wrong, and noted.
    Faulty,
}

/// Reads `url` or `url_file`.
pub(super) fn read(section: &mut Section, schemes: &[&str]) -> Twin {
    let plain = section.text("url", |text| Ok(text.to_owned()));
    let file = section.text("url_file", |path| Ok(path.to_owned()));
    let (key, read) = match (plain, file) {
        (Some(_), Some(_)) => {
            section.fault("url_file", "and `url` are both given; remove one of them");
            return Twin::Faulty;
        }
        (Some(text), None) => ("url", url(&text, schemes)),
        (None, Some(path)) => ("url_file", content(&path).and_then(|text| url(&text, schemes))),
        (None, None) if section.gave("url") || section.gave("url_file") => return Twin::Faulty,
        (None, None) => return Twin::Absent,
    };
    match read {
        Ok(url) => Twin::Read(url),
        Err(fault) => {
            section.fault(key, fault);
            Twin::Faulty
        }
    }
}

/// Reads 32 bytes, 64 hexadecimal digits, from `key` or from the file that `file` names.
pub(super) fn key(section: &mut Section, key: &'static str, file: &'static str) -> Option<Secret<[u8; 32]>> {
    let plain = section.text(key, hexadecimal);
    let read = section.text(file, |path| hexadecimal(&content(path)?));
    if section.gave(key) && section.gave(file) {
        section.fault(file, format!("and `{key}` are both given; remove one of them"));
    }
    plain.or(read)
}

fn hexadecimal(text: &str) -> Result<Secret<[u8; 32]>, String> {
    let cure = "write 64 hexadecimal digits, as `openssl rand -hex 32` makes them";
    let read = if text.len() == 64 { alloy::hex::decode_to_array(text).ok() } else { None };
    let key: [u8; 32] = read.ok_or_else(|| format!("is no key; {cure}"))?;
    if key == [0; 32] { Err(format!("is no key but zeros; {cure}")) } else { Ok(Secret::new(key)) }
}

/// A secret's file without the line's end.
fn content(path: &str) -> Result<String, String> {
    let cure = "make it readable to this user or name another";
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}; {cure}", shown(path)))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads an address on the net of one of `schemes`.
pub(super) fn url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    let cure = format!("write an address that begins with {}://", schemes.join("://, "));
    let encode = "special characters of a password as %XX";
    let url = Url::parse(text).map_err(|error| format!("is no address on the net ({error}); {cure}, {encode}"))?;
    let known = schemes.contains(&url.scheme()) && !url.cannot_be_a_base();
    if known { Ok(url) } else { Err(format!("has another scheme; {cure}")) }
}
