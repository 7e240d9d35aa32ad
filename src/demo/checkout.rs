//! The demo shop's own pages, so that a reader can be its customer: `/checkout[?lang=fr]` asks for a payment and sends the
//! browser to its link, which is therefore never too old; `/thanks` is where the customer comes back to, and asks how the
//! payment stands. Not the payment page: that is the watcher's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::till::Till;

/// More than any request that a browser makes here.
const BYTES: u64 = 16 * 1_024;
const PATIENCE: Duration = Duration::from_secs(15);

/// The pages; gone with this value.
#[derive(Debug)]
pub(super) struct Checkout {
    at: SocketAddr,
    serving: JoinHandle<()>,
}

/// What the shop answers.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Look there.
    Redirect(String),
    /// Status and page.
    Page(&'static str, String),
}

impl Checkout {
    /// Where customers come back to.
    pub(super) fn returns(at: SocketAddr) -> String {
        format!("http://{at}/thanks")
    }

    /// Opens the pages.
    pub(super) fn open(listener: TcpListener, till: Arc<Till>) -> std::io::Result<Checkout> {
        let at = listener.local_addr()?;
        Ok(Checkout { at, serving: tokio::spawn(serve(listener, till)) })
    }

    /// Where a reader begins.
    pub(super) fn url(&self) -> String {
        format!("http://{}/checkout", self.at)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, till: Arc<Till>) {
    while let Ok((stream, _)) = listener.accept().await {
        let till = till.clone();
        tokio::spawn(async move {
            // A browser that gave up is nobody's trouble.
            let _ = timeout(PATIENCE, answer(stream, &till)).await;
        });
    }
}

/// One request a connection.
async fn answer(stream: TcpStream, till: &Till) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    let target = target(&mut stream).await?;
    let (head, body) = match page(&target, till).await {
        Answer::Redirect(to) => (format!("303 See Other\r\nlocation: {to}"), String::new()),
        Answer::Page(status, body) => (format!("{status}\r\ncontent-type: text/html; charset=utf-8"), body),
    };
    let rest = "cache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close";
    let text = format!("HTTP/1.1 {head}\r\n{rest}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

/// What is asked for, the headers read and forgotten; nothing where it is no GET.
async fn target(stream: &mut BufReader<TcpStream>) -> anyhow::Result<String> {
    let mut bounded = stream.take(BYTES);
    let (mut first, mut line) = (String::new(), String::new());
    bounded.read_line(&mut first).await?;
    while bounded.read_line(&mut line).await? > 0 && !line.trim_end().is_empty() {
        line.clear();
    }
    let target = first.strip_prefix("GET ").and_then(|rest| rest.split(' ').next());
    Ok(target.unwrap_or_default().to_owned())
}

async fn page(target: &str, till: &Till) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asked = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    match path {
        "/" => Answer::Redirect("/checkout".to_owned()),
        "/checkout" => {
            let language = if asked("lang").is_some_and(|lang| lang.eq_ignore_ascii_case("fr")) { "FR" } else { "EN" };
            till.ask_reader(language).await.map_or_else(|error| broken(&error), Answer::Redirect)
        }
        "/thanks" => match asked("depositId").filter(|id| is_plain(id)) {
            Some(id) => till.status(id).await.map_or_else(|error| broken(&error), |found| thanks(id, found.as_ref())),
            None => Answer::Page("400 Bad Request", html("No payment", "<p>The address names no payment.</p>")),
        },
        _ => Answer::Page("404 Not Found", html("Nothing here", "")),
    }
}

/// True for what may stand in a path as it is.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn thanks(id: &str, found: Option<&Value>) -> Answer {
    let Some(deposit) = found else {
        return Answer::Page("404 Not Found", html("No payment", &format!("<p>There is no payment {id}.</p>")));
    };
    let field = |name: &str| deposit.get(name).and_then(Value::as_str).map(escaped).unwrap_or_default();
    let status = field("status");
    let body = format!(
        "<p>Payment <code id=\"deposit\">{id}</code> is <strong id=\"status\">{status}</strong>, as the shop's server \
         was told by the API. The address of this page proves nothing.</p>"
    );
    Answer::Page("200 OK", html("Back in the demo's shop", &body))
}

fn broken(error: &anyhow::Error) -> Answer {
    Answer::Page("502 Bad Gateway", html("This did not work", &format!("<p>{}</p>", escaped(&format!("{error:#}")))))
}

fn html(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><h1>{title}</h1>{body}<p><a href=\"/checkout\">Pay \
         again</a>, <a href=\"/checkout?lang=fr\" hreflang=\"fr\">or in French</a></p></html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_that_comes_from_outside_is_html() {
        assert!(is_plain("3f0b8f5e-9c1d-4a53-a5a3-2f3f6b1f0a11"));
        for id in ["", "../api", "a/b", "a%2fb", "<b>", "a b"] {
            assert!(!is_plain(id), "{id}");
        }
        let Answer::Page(status, page) = thanks("a-1", Some(&json!({ "status": "<b>\"&" }))) else { panic!("no page") };
        assert_eq!(status, "200 OK");
        assert!(page.contains("&lt;b&gt;&quot;&amp;") && !page.contains("<b>"), "{page}");
        assert!(matches!(thanks("a-1", None), Answer::Page("404 Not Found", _)));
    }
}
