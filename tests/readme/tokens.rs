//! The tokens that README and docs/API.md teach to sign are tokens that we believe.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use deposit_watcher::domain::Secret;
use deposit_watcher::keys::jwt::{VerifyingKey, key_id, verify};

const KEY: &str = "key_0123456789abcdef0123456789abcdef";
const SECRET: &str = "sk_iMG8D1gTHZfllrscjaUlLxmxfN-PDCnsivMw6G4bxA0";

pub(crate) fn run(program: &str, text: &str) -> String {
    let mut command = Command::new(program);
    command.env("KEY", KEY).env("SECRET", SECRET).stdin(Stdio::null());
    let flags: &[&str] = if program == "node" { &["--input-type=module", "-e"] } else { &["-c"] };
    let output = command.args(flags).arg(text).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[track_caller]
fn believed(token: &str) {
    assert_eq!(key_id(token).map(|key| key.0).as_deref(), Some(KEY), "{token}");
    let key = VerifyingKey::Hs256(Secret::new(SECRET.as_bytes().to_vec()));
    verify(token, &key, None, None, SystemTime::now()).unwrap();
    verify(token, &key, None, None, SystemTime::now() + Duration::from_secs(600)).unwrap_err();
    let other = VerifyingKey::Hs256(Secret::new(vec![b'x'; SECRET.len()]));
    verify(token, &other, None, None, SystemTime::now()).unwrap_err();
}

#[test]
fn of_the_section_in_readme() {
    let blocks = super::readme();
    let signing = blocks.iter().find(|block| block.commands.starts_with("token()")).unwrap();
    believed(&run("bash", &format!("{}\necho \"$TOKEN\"", signing.commands)));
}

#[test]
fn of_the_page_about_the_api() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md")).unwrap();
    let script = page.split("```js\n").find(|block| block.starts_with("// Node.js")).unwrap();
    let script = script.split("```").next().unwrap().replace("key_…", KEY).replace("sk_…", SECRET);
    believed(&run("node", &format!("{script}\nconsole.log(token);")));
}
