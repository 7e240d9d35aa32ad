//! Who sits at the command line, for the audit: as the machine calls him. The database adds whom it knows.

use std::fs;

/// As long as the column takes.
const LONGEST: usize = 256;

/// The name of the process' user, or its number where it has none; and who became it by sudo.
pub(super) fn name() -> String {
    let id = rustix::process::getuid().as_raw();
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let who = named(&known, id).unwrap_or_else(|| format!("uid {id}"));
    let sudo = std::env::var("SUDO_USER").ok().filter(|sudo| !sudo.is_empty() && *sudo != who);
    let who = sudo.map_or(who.clone(), |sudo| format!("{sudo} as {who}"));
    who.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// The user's name in the lines of `/etc/passwd`.
fn named(passwd: &str, id: u32) -> Option<String> {
    let lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut found = lines.filter(|line| line.get(2).is_some_and(|number| number.parse() == Ok(id)));
    found.find_map(|line| line.first().filter(|name| !name.is_empty()).map(|name| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_his_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# a comment\nbroken\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        assert_eq!(named(passwd, 1000), Some("anna".to_owned()));
        assert_eq!(named(passwd, 0), Some("root".to_owned()));
        assert_eq!(named(passwd, 1), None);
        assert!(!name().is_empty());
    }
}
