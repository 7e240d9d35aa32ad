//! Reads a document: the shell blocks of one section, and what it says that they print.

/// Commands, and the block behind them, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) commands: String,
    /// From a `json` or `text` block right behind it.
    pub(crate) prints: Option<String>,
}

/// The shell blocks below a heading, up to the next one of its rank.
pub(crate) fn blocks(text: &str, section: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let inside = text.split(&format!("\n## {section}\n")).nth(1).unwrap_or_default();
    let inside = inside.split("\n## ").next().unwrap_or_default();
    for fence in inside.split("```").skip(1).step_by(2) {
        let (kind, lines) = fence.split_once('\n').unwrap_or((fence, ""));
        match (kind, found.last_mut()) {
            ("sh", _) => found.push(Block { commands: lines.to_owned(), prints: None }),
            ("json" | "text", Some(block)) if block.prints.is_none() => block.prints = Some(lines.to_owned()),
            (kind, _) => panic!("a block of {kind:?} without commands before it"),
        }
    }
    found
}

/// Whether this was printed: white space does not count, and `…` stands for anything.
pub(crate) fn fits(expected: &str, printed: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<String>();
    let (expected, printed) = (plain(expected), plain(printed));
    let parts: Vec<&str> = expected.split('…').collect();
    let Some((last, parts)) = parts.split_last() else { return printed.is_empty() };
    let mut rest = printed.as_str();
    for (at, part) in parts.iter().enumerate() {
        let Some(found) = rest.find(part).filter(|found| at > 0 || *found == 0) else { return false };
        rest = &rest[found + part.len()..];
    }
    if parts.is_empty() { rest == *last } else { rest.ends_with(last) }
}

#[test]
fn sections_are_read_as_printed() {
    let text = "# T\n\n## A\n\n```sh\nnot me\n```\n\n## B\n\nx\n\n```sh\none\ntwo\n```\n\n```json\n{}\n```\n\n```sh\nthree\n```\n\n## C\n\n```sh\nno\n```\n";
    let block = |commands: &str, prints: Option<&str>| Block {
        commands: commands.to_owned(),
        prints: prints.map(str::to_owned),
    };
    assert_eq!(blocks(text, "B"), [block("one\ntwo\n", Some("{}\n")), block("three\n", None)]);
    assert_eq!(blocks(text, "D"), []);
}

#[test]
fn what_is_printed_fits_or_does_not() {
    for (expected, printed) in
        [("", "\n"), ("{ \"a\": 1 }", "{\"a\":1}\n"), ("{…\"a\":1…}", "{\"b\":2,\"a\":1}"), ("a…", "abc"), ("…", "")]
    {
        assert!(fits(expected, printed), "{expected} {printed}");
    }
    for (expected, printed) in
        [("", "x"), ("a", "ab"), ("a", "ba"), ("…a", "ab"), ("a…", "ba"), ("{…\"a\":1…}", "{\"a\":2}"), ("a…a", "a")]
    {
        assert!(!fits(expected, printed), "{expected} {printed}");
    }
}
