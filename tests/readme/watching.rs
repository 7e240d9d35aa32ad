//! What docs/API.md gives a browser to watch a session by, run by Node.js with streams of our own: it asks for another ticket
//! after a lost line, and for none once the session waits for no more money.

use super::tokens::run;

/// The first stream tells `first`, or nothing, and ends; the next one tells that all is paid.
const BROWSER: &str = r#"
const [id, clientSecret] = ['dep_1', 'cs_1'];
const told = [first, { paymentStatus: 'CONFIRMED', expiresAt: at(60) }];
let tickets = 0;
globalThis.fetch = async () => ({ json: async () => ({ ticket: `${++tickets}` }) });
globalThis.setTimeout = (later) => setImmediate(later);
globalThis.EventSource = class {
  constructor(url) {
    const state = told[Number(new URL(url).searchParams.get('ticket')) - 1];
    setImmediate(() => {
      if (state) this.onmessage({ data: JSON.stringify(state) });
      if (!this.closed) this.onerror();
    });
  }
  close() { this.closed = true; }
};
process.on('exit', () => console.log(tickets));
"#;

#[test]
fn a_browser_stops_asking_when_a_session_is_over_and_not_before() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md")).unwrap();
    let sample = page.split("```js\n").find(|block| block.contains("new EventSource(")).unwrap();
    let sample = sample.split("```").next().unwrap();
    for (first, tickets) in [
        ("{ paymentStatus: 'CONFIRMED', expiresAt: at(60) }", "1"),
        ("{ paymentStatus: 'UNDERPAID', expiresAt: at(-60) }", "1"),
        ("{ paymentStatus: 'UNDERPAID', expiresAt: at(60) }", "2"),
        ("{ paymentStatus: 'PENDING', expiresAt: at(-60) }", "2"),
        ("undefined", "2"),
    ] {
        let begin = "const at = (seconds) => new Date(Date.now() + seconds * 1000).toISOString();";
        let script = format!("{begin}\nconst first = {first};\n{BROWSER}\n{sample}\nwatch(() => {{}});");
        assert_eq!(run("node", &script), tickets, "{first}");
    }
}
