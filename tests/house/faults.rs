//! `docs/FAULTS.md` is whole and true: each fault has its row, and each test that a row names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The faults by kind and how many of each there are.
const KINDS: [(&str, u32); 6] = [("R", 33), ("T", 21), ("K", 18), ("D", 16), ("G", 20), ("O", 9)];

/// The rows: id and whole line.
fn rows(text: &str) -> Vec<(&str, &str)> {
    text.lines()
        .filter_map(|line| {
            let id = line.strip_prefix("| ")?.split(" |").next()?;
            let kind = id.get(..1)?;
            (KINDS.iter().any(|(known, _)| *known == kind) && id.get(1..)?.parse::<u32>().is_ok()).then_some((id, line))
        })
        .collect()
}

/// What a row names in the form `file::test`.
fn named(line: &str) -> Vec<(&str, &str)> {
    let marked = line.split('`').skip(1).step_by(2);
    marked.filter_map(|text| text.split_once(".rs::")).collect()
}

/// The scripts that a row names.
fn scripts(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter(|text| text.ends_with(".sh"))
}

fn is_there(top: &Path, file: &str, test: &str) -> bool {
    let source = fs::read_to_string(top.join(format!("{file}.rs"))).unwrap_or_default();
    source.contains(&format!("fn {test}("))
}

#[test]
fn every_fault_has_its_row_and_every_row_its_tests() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(top.join("docs/FAULTS.md")).unwrap();
    let rows = rows(&text);
    let ids: Vec<&str> = rows.iter().map(|(id, _)| *id).collect();
    let expected: Vec<String> =
        KINDS.iter().flat_map(|(kind, count)| (1..=*count).map(move |number| format!("{kind}{number}"))).collect();
    assert_eq!(ids, expected);
    let unproven: Vec<&str> = rows
        .iter()
        .filter(|(_, line)| named(line).is_empty() && scripts(line).next().is_none() && !line.contains("No test: "))
        .map(|(id, _)| *id)
        .collect();
    assert!(unproven.is_empty(), "neither a test nor a reason: {unproven:?}");
    let lost: Vec<&str> =
        rows.iter().flat_map(|(_, line)| scripts(line)).filter(|script| !top.join(script).is_file()).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let missing: BTreeSet<String> = rows
        .iter()
        .flat_map(|(id, line)| named(line).into_iter().map(move |(file, test)| (id, file, test)))
        .filter(|(_, file, test)| !is_there(top, file, test))
        .map(|(id, file, test)| format!("{id}: {file}.rs has no {test}"))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn a_row_names_tests_by_file_and_name() {
    let line = "| R1 | a | b | `tests/house/faults.rs::a_row_names_tests_by_file_and_name`, `x`, `tests/y.sh` |";
    assert_eq!(rows(line).first().map(|(id, _)| *id), Some("R1"));
    assert_eq!(named(line), [("tests/house/faults", "a_row_names_tests_by_file_and_name")]);
    assert_eq!(scripts(line).collect::<Vec<_>>(), ["tests/y.sh"]);
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(is_there(top, "tests/house/faults", "a_row_names_tests_by_file_and_name"));
    assert!(!is_there(top, "tests/house/faults", "another"));
}
