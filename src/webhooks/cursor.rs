//! Where a list of deliveries goes on: opaque to whoever gets it, useless to whoever bends it. Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::Time;

/// The text that [`read`] takes.
pub(super) fn write(created_at: Time, id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {id}", created_at.timestamp_micros()))
}

/// When the last item of the page before was laid out, and its id.
pub(super) fn read(cursor: &str) -> Option<(Time, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (micros, id) = text.split_once(' ')?;
    let plain = id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let created_at = Time::from_timestamp_micros(micros.parse().ok()?)?;
    // Years that PostgreSQL cannot hold are nobody's.
    let real = (0..253_402_300_800).contains(&created_at.timestamp());
    (plain && real).then(|| (created_at, id.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_comes_back_and_a_bent_one_is_none() {
        let at = Time::from_timestamp_micros(1_795_000_000_123_456).unwrap();
        assert_eq!(read(&write(at, "whd_1")), Some((at, "whd_1".to_owned())));
        for bent in ["", "x", "MTIz", "!!", &write(at, "a'b"), &URL_SAFE_NO_PAD.encode("-1 whd_1")] {
            assert_eq!(read(bent), None, "{bent}");
        }
    }

    proptest! {
        #[test]
        fn nothing_bent_panics(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&text);
            let _ = read(&URL_SAFE_NO_PAD.encode(bytes));
        }
    }
}
