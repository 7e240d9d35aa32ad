//! Providers' error texts, sorted by what they mean: one table, read from the top, first fit wins.
//!
//! Codes are worth little: `-32005` is Infura's range limit as well as its rate limit, `-32000` is everything. The texts
//! are each provider's own words. Not for what follows from them: that is [`super::Fault`]'s reader.

use super::error::Fault;
use super::range::Limit;

#[derive(Clone, Copy)]
enum Sort {
    /// At most so many blocks at once.
    Blocks,
    /// At most so many logs at once.
    Results,
    /// Too much, without a number that helps.
    Size,
    /// Too fast.
    Rate,
    /// Too many calls in a batch.
    Batch,
    /// It has no such block.
    Missing,
    /// It has no such method.
    Unsupported,
    /// Not here or not now; fewer blocks would not help.
    Refused,
}

/// All words must occur, in lower case; the number is looked for behind the first.
type Row = (&'static [&'static str], Sort);

const TABLE: &[Row] = &[
    (&["query returned more than"], Sort::Results),
    (&["query exceeds max results"], Sort::Results),
    (&["logs matched by query exceeds limit of"], Sort::Results),
    (&["log response size exceeded"], Sort::Size),
    (&["exceeds limit of", "range"], Sort::Blocks),
    (&["requests with up to a", "block range"], Sort::Blocks),
    (&["eth_getlogs is limited to a"], Sort::Blocks),
    (&["limited to a", "block"], Sort::Blocks),
    (&["limited to a", "range"], Sort::Blocks),
    (&["blocks distance"], Sort::Blocks),
    (&["maximum block range"], Sort::Blocks),
    (&["exceeds max block range"], Sort::Blocks),
    (&["exceed max block range"], Sort::Blocks),
    (&["max block range"], Sort::Blocks),
    (&["max range"], Sort::Blocks),
    (&["maximum is set to", "requested too many blocks"], Sort::Blocks),
    (&["ranges over", "blocks are not supported"], Sort::Blocks),
    (&["please limit the query to at most"], Sort::Blocks),
    (&["maximum allowed number of requested blocks"], Sort::Blocks),
    (&["block range limit exceeded"], Sort::Size),
    (&["block range is too"], Sort::Size),
    (&["block range too"], Sort::Size),
    (&["range is too"], Sort::Size),
    (&["try with this block range"], Sort::Size),
    (&["block range should work"], Sort::Size),
    (&["response size exceeded"], Sort::Size),
    (&["response size should not"], Sort::Size),
    (&["response too large"], Sort::Size),
    (&["response is too"], Sort::Size),
    (&["length limit exceeded"], Sort::Size),
    (&["request timed out"], Sort::Size),
    (&["request timeout"], Sort::Size),
    (&["query timeout"], Sort::Size),
    (&["deadline exceeded"], Sort::Size),
    (&["execution timeout"], Sort::Size),
    (&["batch of more than"], Sort::Batch),
    (&["batch"], Sort::Batch),
    (&["rate limit"], Sort::Rate),
    (&["rate-limit"], Sort::Rate),
    (&["rate exceeded"], Sort::Rate),
    (&["too many requests"], Sort::Rate),
    (&["request limit"], Sort::Rate),
    (&["credits limited"], Sort::Rate),
    (&["request count exceeded"], Sort::Rate),
    (&["per second"], Sort::Rate),
    (&["concurrent requests"], Sort::Rate),
    (&["method not found"], Sort::Unsupported),
    (&["not whitelisted"], Sort::Unsupported),
    (&["the method", "does not exist"], Sort::Unsupported),
    (&["unsupported method"], Sort::Unsupported),
    (&["addresses or topics"], Sort::Refused),
    (&["no backend is currently healthy"], Sort::Refused),
    (&["pruned"], Sort::Refused),
    (&["history unavailable"], Sort::Refused),
    (&["is not available"], Sort::Refused),
    (&["receipt not available"], Sort::Refused),
    (&["missing trie node"], Sort::Refused),
    (&["unauthorized"], Sort::Refused),
    (&["forbidden"], Sort::Refused),
    (&["api key"], Sort::Refused),
    (&["authenticat"], Sort::Refused),
    (&["unknown block"], Sort::Missing),
    (&["header not found"], Sort::Missing),
    (&["block not found"], Sort::Missing),
    (&["cannot be found"], Sort::Missing),
    (&["beyond current head"], Sort::Missing),
    (&["after last accepted block"], Sort::Missing),
    (&["invalid block range"], Sort::Missing),
];

/// Codes that mean one thing wherever they are used, for texts that the table does not know.
fn by_code(code: i64) -> Option<Sort> {
    match code {
        429 | 1008 | -32007 | -32012 | -32016 | -32055 => Some(Sort::Rate),
        -32601 => Some(Sort::Unsupported),
        -39001 => Some(Sort::Missing),
        4444 => Some(Sort::Refused),
        _ => None,
    }
}

/// What a JSON-RPC error means for a call that spanned `blocks` blocks (0 where it has no range).
///
/// An error that nobody knows on more than one block is taken for a limit: asking for fewer tells them apart.
pub(super) fn classify(code: i64, message: &str, blocks: u64) -> Fault {
    let text = message.to_lowercase();
    let row = TABLE.iter().find(|(words, _)| words.iter().all(|word| text.contains(word)));
    let sort = row.map(|(_, sort)| *sort).or_else(|| by_code(code));
    let number = row.and_then(|(words, _)| words.first()).and_then(|anchor| number_behind(&text, anchor));
    let reason = format!("error {code}: {message}");
    let limit = Limit { blocks: None, results: None, suggested: suggested_blocks(&text) };
    match sort {
        Some(Sort::Blocks) if blocks > 0 => Fault::TooWide { reason, limit: Limit { blocks: number, ..limit } },
        Some(Sort::Results) if blocks > 0 => Fault::TooWide { reason, limit: Limit { results: number, ..limit } },
        Some(Sort::Size) if blocks > 0 => Fault::TooWide { reason, limit },
        Some(Sort::Batch) => Fault::Batch { reason, limit: number },
        Some(Sort::Rate) => Fault::RateLimited { reason, retry_after: None },
        Some(Sort::Unsupported) => Fault::Unsupported(reason),
        Some(Sort::Missing) => Fault::Missing(reason),
        Some(Sort::Refused | Sort::Blocks | Sort::Results | Sort::Size) => Fault::Refused(reason),
        None if blocks > 1 => Fault::TooWide { reason, limit },
        None => Fault::Refused(reason),
    }
}

/// The first decimal number behind `anchor`; commas group its digits, "2k" is 2,000.
fn number_behind(text: &str, anchor: &str) -> Option<u64> {
    let rest = text.split_once(anchor)?.1;
    let start = rest.find(|c: char| c.is_ascii_digit())?;
    let digits = rest.get(start..)?;
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(digits.len());
    let number: u64 = digits.get(..end)?.replace(',', "").parse().ok()?;
    let thousands = digits.get(end..)?.starts_with('k');
    number.checked_mul(if thousands { 1_000 } else { 1 }).filter(|number| *number > 0)
}

/// How many blocks a text's `[0x…, 0x…]`, or its "retry with the range 1-500", spans.
fn suggested_blocks(text: &str) -> Option<u64> {
    let (from, to) = match text.split_once("retry with the range ") {
        Some((_, rest)) => rest.split_once('-')?,
        None => {
            let (_, rest) = text.split_once("block range")?;
            rest.split_once('[')?.1.split_once(']')?.0.split_once(',')?
        }
    };
    let (from, to) = (quantity(from.trim())?, quantity(to.trim())?);
    to.checked_sub(from)?.checked_add(1)
}

fn quantity(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
