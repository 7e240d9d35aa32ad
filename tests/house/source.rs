//! Reads Rust source as far as the floors need it: which paths a file names, comments and literals left out.
//!
//! No parser: it need not understand what the compiler has already accepted.

use std::iter::Peekable;
use std::vec::IntoIter;

/// A path as named in a file, groups of a `use` spread out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// From 1.
    pub(crate) line: usize,
    /// Its segments; a glob is `*`.
    pub(crate) path: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Other(char),
}

type Tokens = Peekable<IntoIter<(usize, Token)>>;

/// Every path of two segments or more, and every single one after `use` or `crate` (of `extern crate`).
pub(crate) fn named(text: &str) -> Vec<Named> {
    let mut tokens = tokens(&without_comments_and_literals(text)).into_iter().peekable();
    let (mut found, mut before) = (Vec::new(), String::new());
    while let Some((line, token)) = tokens.next() {
        let Token::Word(word) = token else { continue };
        let mut paths = Vec::new();
        follow(vec![word.clone()], line, &mut tokens, &mut paths);
        let single = paths.iter().all(|named| named.path.len() == 1);
        found.extend(paths.into_iter().filter(|named| named.path.len() > 1 || ["use", "crate"].contains(&&*before)));
        before = if single { word } else { String::new() };
    }
    found
}

/// Reads on behind `path`: more segments, a glob or a group.
fn follow(mut path: Vec<String>, mut line: usize, tokens: &mut Tokens, found: &mut Vec<Named>) {
    while tokens.next_if(|(_, token)| *token == Token::Colons).is_some() {
        match tokens.peek().cloned() {
            Some((at, Token::Word(word))) => {
                (line, _) = (at, tokens.next());
                path.push(word);
            }
            Some((_, Token::Other('{'))) => return group(&path, tokens, found),
            Some((_, Token::Other('*'))) => {
                tokens.next();
                path.push("*".to_owned());
            }
            _ => {}
        }
    }
    found.push(Named { line, path });
}

fn group(prefix: &[String], tokens: &mut Tokens, found: &mut Vec<Named>) {
    tokens.next();
    while let Some((line, token)) = tokens.next() {
        match token {
            Token::Word(word) if word == "as" => drop(tokens.next()),
            Token::Word(word) => follow([prefix, &[word]].concat(), line, tokens, found),
            Token::Other('*') => found.push(Named { line, path: [prefix, &["*".to_owned()]].concat() }),
            Token::Other('}') => return,
            Token::Other(_) | Token::Colons => {}
        }
    }
}

fn tokens(code: &str) -> Vec<(usize, Token)> {
    let (mut tokens, mut line, mut chars) = (Vec::new(), 1, code.chars().peekable());
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        } else if c.is_alphanumeric() || c == '_' {
            let mut word = c.to_string();
            while let Some(more) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(more);
            }
            tokens.push((line, Token::Word(word)));
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push((line, Token::Colons));
        } else if !c.is_whitespace() {
            tokens.push((line, Token::Other(c)));
        }
    }
    tokens
}

/// The text with comments and the insides of literals taken out, line ends kept.
fn without_comments_and_literals(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let length = skipped(rest);
        let taken = if length == 0 { c.len_utf8() } else { length };
        if length == 0 {
            code.push(c);
        } else {
            code.push(' ');
            code.extend(rest[..taken].chars().filter(|c| *c == '\n'));
        }
        // A word is taken whole, so that `r` and `b` in it begin no literal.
        rest = &rest[taken..];
        if c.is_alphanumeric() || c == '_' {
            let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let literal = length == 0 && word == 0 && (rest.starts_with('"') || rest.starts_with('#'));
            code.push_str(if literal { "" } else { &rest[..word] });
            rest = &rest[word..];
        }
    }
    code
}

/// How many bytes at the start of `rest` are a comment or a literal; 0 for code.
fn skipped(rest: &str) -> usize {
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    let hashes = rest.strip_prefix('r').map(|raw| raw.len() - raw.trim_start_matches('#').len());
    if let Some(hashes) = hashes.filter(|hashes| rest[1 + hashes..].starts_with('"')) {
        return until(&format!("\"{}", "#".repeat(hashes)), 2 + hashes);
    }
    match rest.chars().next() {
        Some('"') => string(rest),
        Some('\'') => character(rest),
        _ => 0,
    }
}

fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == '"' && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

/// `'x'` and `'\n'`, but not the lifetime `'a`.
fn character(rest: &str) -> usize {
    let inside: Vec<(usize, char)> = rest.char_indices().skip(1).take(12).collect();
    match inside.as_slice() {
        [(_, '\\'), _, after @ ..] => after.iter().find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        [_, (at, '\''), ..] => at + 1,
        _ => 0,
    }
}

#[test]
fn paths_are_found_where_they_are_code() {
    let text = r###"
        //! crate::a
        use crate::{b::{C, d}, e as f, g::*}; /* crate::h */
        use sqlx as database;
        const S: &str = "crate::i \" crate::j"; const R: &str = r#"crate::k " crate::l"#;
        fn m<'a>(x: &'a str) -> char { if x.is_empty() { '"' } else { '\'' } }
        fn n() { crate ::o::p::<u8>(); super::super::q() } // "
        #[derive(sqlx::Type)] struct Bar(crate::r);
    "###;
    let paths: Vec<String> = named(text).into_iter().map(|named| named.path.join("::")).collect();
    let expected = [
        "crate::b::C",
        "crate::b::d",
        "crate::e",
        "crate::g::*",
        "sqlx",
        "crate::o::p",
        "super::super::q",
        "sqlx::Type",
        "crate::r",
    ];
    assert_eq!(paths, expected);
    assert_eq!(named(text)[5].line, 7);
}
