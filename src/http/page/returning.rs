//! Where the customer goes when he leaves: the business's URL with the payment's id. It proves nothing, and says so in
//! the manual.

use url::Url;

/// The URL to return to; nothing where it is none that a browser may be sent to.
pub(super) fn url(return_url: &str, deposit_id: &str) -> Option<String> {
    let mut url = Url::parse(return_url).ok().filter(|url| ["http", "https"].contains(&url.scheme()))?;
    url.query_pairs_mut().append_pair("depositId", deposit_id);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_added_to_whatever_stands_there() {
        let id = "f4401bd2-1568-4140-bf2d-eb77d2b2b639";
        for (given, expected) in [
            ("https://shop.example", "https://shop.example/?depositId=ID"),
            ("https://shop.example/done", "https://shop.example/done?depositId=ID"),
            ("https://shop.example/done?", "https://shop.example/done?depositId=ID"),
            ("https://shop.example/done?order=7&x=a%20b", "https://shop.example/done?order=7&x=a%20b&depositId=ID"),
            ("http://shop.example:8080/a?b#part", "http://shop.example:8080/a?b&depositId=ID#part"),
            ("https://shop.example/#/done?x=1", "https://shop.example/?depositId=ID#/done?x=1"),
            ("https://shop.example/a?q=\"<b>\"", "https://shop.example/a?q=%22%3Cb%3E%22&depositId=ID"),
        ] {
            assert_eq!(url(given, id), Some(expected.replace("ID", id)), "{given}");
        }
        for given in ["javascript:alert(1)", "data:text/html,x", "ftp://shop.example", "//shop.example", "", "shop"] {
            assert_eq!(url(given, id), None, "{given}");
        }
    }
}
