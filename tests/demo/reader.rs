//! The reader as a customer of the demo's shop: from the printed link through the payment page back to the shop, in both
//! languages and without JavaScript. What a browser makes of the page is tested in a browser.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::time::{Instant, sleep};

use crate::stage::Demo;

const PATIENCE: Duration = Duration::from_secs(60);

/// A browser of few talents: it follows a redirect when told to.
struct Browser(Client);

impl Browser {
    fn new() -> Browser {
        deposit_watcher::chain::install_tls();
        let client = Client::builder().redirect(Policy::none()).no_proxy().timeout(Duration::from_secs(20));
        Browser(client.build().unwrap())
    }

    /// Where an address sends it.
    async fn sent_on(&self, url: &str) -> String {
        let answer = self.0.get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{url}");
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn page(&self, url: &str) -> String {
        let answer = self.0.get(url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{url}");
        answer.text().await.unwrap()
    }

    /// Presses the button of a form on a page.
    async fn press(&self, url: &str, field: &str, value: &str) {
        let origin = url.split('/').take(3).collect::<Vec<_>>().join("/");
        let request = self.0.post(url).header("content-type", "application/x-www-form-urlencoded");
        let body = format!("{field}={}", value.replace(':', "%3A"));
        let answer = request.header("origin", origin).body(body).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, StatusCode::SEE_OTHER, "{url} {field}={value}: {}", answer.text().await.unwrap());
    }

    /// Loads a page again until it shows this.
    async fn until(&self, url: &str, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let page = self.page(url).await;
            if page.contains(text) {
                return page;
            }
            assert!(begun.elapsed() < PATIENCE, "{text:?} is not on {page}");
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What stands between two texts for the first time.
fn between<'p>(page: &'p str, before: &str, after: &str) -> &'p str {
    let rest = page.split_once(before).unwrap_or_else(|| panic!("{before:?} is not in {page}")).1;
    rest.split(after).next().unwrap()
}

#[tokio::test]
async fn a_reader_pays_by_the_printed_link_and_comes_back() {
    let mut demo = Demo::start(&["--keep"]);
    let printed = demo.until("or in French       ").split_once("http").unwrap().1.to_owned();
    let (french, browser) = (format!("http{printed}"), Browser::new());
    for (checkout, language) in [(french.trim_end_matches("?lang=fr"), "en"), (&french, "fr")] {
        let link = browser.sent_on(checkout).await;
        let page = browser.page(&link).await;
        assert!(page.contains(&format!("<html lang=\"{language}\"")), "{language}: {page}");
        assert!(page.contains("data-screen=\"choose\""), "{page}");
        let offer = between(&page, "name=\"choice\" value=\"", "\"");
        browser.press(&format!("{link}/choose?lang={language}"), "choice", offer).await;
        browser.until(&link, "data-screen=\"waiting\"").await;
        browser.press(&format!("{link}/simulate?lang={language}"), "deed", "exact").await;
        let paid = browser.until(&link, "data-screen=\"paid\"").await;
        assert!(paid.contains(&format!("<html lang=\"{language}\"")), "{paid}");
        let back = paid.split("href=\"").filter_map(|rest| rest.split('"').next()).find(|to| to.contains("/thanks?"));
        let back = back.unwrap_or_else(|| panic!("there is no way back on {paid}")).to_owned();
        let thanks = browser.page(&back).await;
        assert_eq!(between(&thanks, "id=\"status\">", "<"), "COMPLETED");
        assert!(back.ends_with(between(&thanks, "id=\"deposit\">", "<")), "{back}");
    }
    let started = demo.started();
    demo.signal("INT");
    let (status, told, errors) = demo.end();
    assert!(status.success(), "{told:#?}\n{errors}");
    started.is_gone();
}
