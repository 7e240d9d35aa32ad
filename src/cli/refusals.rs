//! Why the office did not do what a command asked: as a line, or a line for each flag, with its cure. Not for refusals of
//! other rooms.

use super::exit::{Exit, Failure};
use crate::deposits::Refusal;
use crate::domain::Fault;

/// About the thing of this id among these: `flags` are those that are not called like their field.
pub(super) fn refused(refusal: Refusal, flags: &[(&str, &str)], things: &str, id: &str) -> Failure {
    match refusal {
        Refusal::Faults(faults) => usage(&faults, flags),
        Refusal::NotFound => {
            Failure::failed(format!("there is no {id:?}; `deposit-watcher {things} list` shows what there is"))
        }
        Refusal::TooManyWidgets(_) => {
            Failure::failed(format!("{refusal}; `deposit-watcher widgets disable` one that is not needed"))
        }
        Refusal::Store(error) => error.into(),
        other @ (Refusal::AmountClash
        | Refusal::CannotCancel
        | Refusal::KeyReused
        | Refusal::KeyBusy
        | Refusal::Gone
        | Refusal::DepositIdReused
        | Refusal::NotBound(_)) => Failure::failed(other),
    }
}

/// A line for each fault, by its flag's name.
pub(super) fn usage(faults: &[Fault], flags: &[(&str, &str)]) -> Failure {
    let mut lines: Vec<String> = faults.iter().map(|fault| line(fault, flags)).collect();
    let last = lines.pop().unwrap_or_default();
    Failure { exit: Exit::Usage, details: lines, reason: last }
}

fn line(fault: &Fault, flags: &[(&str, &str)]) -> String {
    let (field, at) = fault.field.split_once('.').unwrap_or((&fault.field, ""));
    if field.is_empty() {
        return fault.message.clone();
    }
    if field == "id" {
        return format!("ID: {}", fault.message);
    }
    let flag = flags.iter().find(|(name, _)| *name == field).map(|(_, flag)| (*flag).to_owned());
    let flag = flag.unwrap_or_else(|| kebab(field));
    // Entries of a list are counted as people count.
    let nth = at.parse::<usize>().ok().and_then(|at| at.checked_add(1)).map(|nth| format!(" ({nth}.)"));
    format!("--{flag}{}: {}", nth.unwrap_or_default(), fault.message)
}

fn kebab(field: &str) -> String {
    let letter = |c: char| if c.is_ascii_uppercase() { format!("-{}", c.to_ascii_lowercase()) } else { c.to_string() };
    field.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_by_their_flags() {
        let flags = [("allowedNetworks", "network")];
        for (field, told) in [
            ("name", "--name: is wrong"),
            ("successUrl", "--success-url: is wrong"),
            ("allowedNetworks.0", "--network (1.): is wrong"),
            ("allowedNetworks", "--network: is wrong"),
            ("", "is wrong"),
        ] {
            assert_eq!(line(&Fault::new(field, "is wrong"), &flags), told);
        }
    }
}
