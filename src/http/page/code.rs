//! QR codes as SVG: dark on white whatever the page looks like, with the quiet zone of four modules that readers need, and
//! without a style of their own. Not for what they say.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// Modules of white around the code, as the standard demands.
const QUIET: usize = 4;

/// A text as SVG; empty where it is longer than a code can hold. The picture is decoration to who cannot see it: the text
/// stands beside it.
pub(super) fn svg(text: &str) -> String {
    QrCode::with_error_correction_level(text, EcLevel::M).map(|code| picture(&code)).unwrap_or_default()
}

fn picture(code: &QrCode) -> String {
    let width = code.width();
    let side = width.saturating_add(QUIET.saturating_mul(2));
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width.max(1)).enumerate() {
        for (x, length) in dark_runs(row) {
            // Writing to a string cannot fail.
            let (x, y) = (x.saturating_add(QUIET), y.saturating_add(QUIET));
            let _ = write!(path, "M{x} {y}h{length}v1h-{length}z");
        }
    }
    format!(
        r##"<svg class="code" viewBox="0 0 {side} {side}" shape-rendering="crispEdges" aria-hidden="true" focusable="false"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path fill="#000" d="{path}"/></svg>"##
    )
}

/// Where dark modules of a row begin, and how many follow each other.
fn dark_runs(row: &[Color]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (x, _) in row.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        match runs.last_mut() {
            Some((start, length)) if start.saturating_add(*length) == x => *length = length.saturating_add(1),
            Some(_) | None => runs.push((x, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules that a picture's path darkens.
    fn modules(svg: &str) -> Vec<(usize, usize)> {
        let path = svg.rsplit("d=\"").next().unwrap().split('"').next().unwrap();
        let number = |text: &str| text.parse::<usize>().unwrap();
        let run = |run: &str| {
            let (place, rest) = run.split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let length = number(rest.split_once('v').unwrap().0);
            (0..length).map(|more| (number(x).saturating_add(more), number(y))).collect::<Vec<_>>()
        };
        path.split('M').skip(1).flat_map(run).collect()
    }

    #[test]
    fn every_dark_module_is_drawn_and_nothing_in_the_quiet_zone() {
        let text = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let width = code.width();
        let expected: Vec<(usize, usize)> = code
            .to_colors()
            .iter()
            .enumerate()
            .filter(|(_, color)| **color == Color::Dark)
            .map(|(at, _)| (at % width + 4, at / width + 4))
            .collect();
        let svg = svg(text);
        assert_eq!(modules(&svg), expected);
        assert!(svg.contains(&format!("viewBox=\"0 0 {0} {0}\"", width + 8)) && !svg.contains("style"), "{svg}");
        assert!(super::svg(&"x".repeat(5_000)).is_empty());
    }
}
