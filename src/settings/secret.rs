//! Reads addresses on the net that may hold a password or a provider's key: `url`, or `url_file` that names a file with
//! it. No fault ever repeats one. Not for what speaks to them.

use url::Url;

use super::problems::shown;
use super::section::Section;

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
