// Keeps an open payment page true: swaps in the <main> that the server sends, counts the time that is left, copies,
// asks a wallet of this browser to pay, and goes back to the shop. Without it the page reloads itself; copying, paying
// and returning are then done by hand.

const $ = (selector, within = document) => within.querySelector(selector);
const main = () => $("#payment");
const LOST_AFTER = 4_000;
const RETURN_AFTER = 10;
/* After this long nobody waits for news of what is over. */
const OVER = ["paid", "overpaid", "expired", "cancelled"];
const LISTENS_ON = 15 * 60_000;

document.documentElement.classList.add("scripted");

/* What is on the page now, and since when by a clock that nobody can set. */
let arrived = performance.now();
let asked = false; // a page whose time is over was loaded anew
let minuteTold = false;

const serverNow = () => Number(main().dataset.now) + performance.now() - arrived;
/* Whatever can be done on the page, its time is over. Where nothing has a time, it never is. */
const isOver = () => serverNow() >= Number(main().dataset.until);

function swap(html) {
  const next = $("#payment", new DOMParser().parseFromString(html, "text/html"));
  const old = main();
  if (!next || !old) return;
  asked = false;
  arrived = performance.now();
  // No news but the time: what is being typed stays, and so does the time until the return.
  if (["screen", "state", "until"].every((part) => old.dataset[part] === next.dataset[part])) {
    old.dataset.now = next.dataset.now;
    return;
  }
  const focused = old.contains(document.activeElement) && document.activeElement;
  const open = [...old.querySelectorAll("details[open][id]")].map((details) => details.id);
  const checked = [...old.querySelectorAll("input[type=radio][id]:checked")].map((input) => input.id);
  const [x, y] = [scrollX, scrollY];
  const another = old.dataset.screen !== next.dataset.screen;
  old.replaceWith(document.adoptNode(next));
  open.forEach((id) => { const details = document.getElementById(id); if (details) details.open = true; });
  checked.forEach((id) => { const input = document.getElementById(id); if (input) input.checked = true; });
  document.title = next.dataset.title;
  dress();
  if (focused) ((focused.id && document.getElementById(focused.id)) || heading()).focus({ preventScroll: true });
  scrollTo(x, y);
  if (another) {
    minuteTold = false;
    tell(next.dataset.title);
  }
}

/* Whoever was at a button that is gone finds himself at the top of what came instead. */
function heading() {
  const title = $("h1", main());
  title.tabIndex = -1;
  return title;
}

function tell(text) {
  const place = $("#announcement");
  place.textContent = "";
  setTimeout(() => { place.textContent = text; }, 50);
}

/* The stream. */
let stream, again, lostTimer, ending;
let pause = 1_000;

function listen() {
  const { live, state } = main().dataset;
  clearTimeout(again);
  stream?.close();
  stream = undefined;
  if (!live) return;
  endInTime();
  stream = new EventSource(state ? `${live}&seen=${encodeURIComponent(state)}` : live);
  stream.onopen = found;
  stream.onmessage = ({ data }) => {
    found();
    swap(data);
    endInTime();
  };
  stream.onerror = () => {
    lost();
    // Refused, not cut off: then it does not try again by itself.
    if (stream.readyState === EventSource.CLOSED) {
      again = setTimeout(listen, pause);
      pause = Math.min(pause * 2, 30_000);
    }
  };
}

function endInTime() {
  clearTimeout(ending);
  if (OVER.includes(main().dataset.screen)) ending = setTimeout(() => stream?.close(), LISTENS_ON);
}

function lost() {
  lostTimer ??= setTimeout(() => { const place = $("#connection"); place.textContent = place.dataset.lost; }, LOST_AFTER);
}

// A device that knows that it is offline tells so at once: its stream may hang for minutes before it breaks.
addEventListener("offline", () => main().dataset.live && lost());
addEventListener("online", () => main().dataset.now && reload());

function found() {
  clearTimeout(lostTimer);
  lostTimer = undefined;
  pause = 1_000;
  const place = $("#connection");
  if (place.textContent) {
    place.textContent = "";
    tell(place.dataset.back);
  }
}

async function reload() {
  try {
    const answer = await fetch(location.href, { cache: "no-store", credentials: "omit" });
    if (!answer.ok) throw answer;
    swap(await answer.text());
  } catch {
    setTimeout(() => { asked = false; }, 5_000);
  }
  listen();
}

/* A device that slept has counted nothing meanwhile: the clock on its wall tells. */
let apart = Date.now() - performance.now();

function slept() {
  const before = apart;
  apart = Date.now() - performance.now();
  // Until the server says what time it is.
  if (apart - before > 2_000) arrived -= apart - before;
  return Math.abs(apart - before) > 2_000;
}

/* Money that is sent too late buys nothing: once the time is over no way to pay is left, also where nobody says so. */
function shut(over) {
  const ways = $(".ways");
  if (!ways || ways.hidden === over) return;
  const focused = ways.contains(document.activeElement);
  ways.hidden = over;
  $("[data-over]").hidden = !over;
  if (focused) heading().focus({ preventScroll: true });
}

/* Time. */
function tick() {
  if (main().dataset.now && slept()) reload();
  const { until, minute } = main().dataset;
  const left = until ? Math.max(0, Math.ceil((Number(until) - serverNow()) / 1_000)) : undefined;
  shut(left === 0);
  const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  for (const place of document.querySelectorAll("[data-left]")) {
    place.hidden = left === undefined;
    place.classList.toggle("is-little", left <= 60);
    if (!place.firstChild) place.append(`${place.dataset.left} `, document.createElement("b"));
    $("b", place).textContent = clock;
  }
  if (left <= 60 && left > 0 && !minuteTold) {
    minuteTold = true;
    tell(minute);
  }
  if (left === 0 && !asked) {
    asked = true;
    setTimeout(reload, 1_000);
  }
}

/* Back to the shop, unless he says that he stays. */
let stays = false;
let leaving;

function prepareReturn() {
  const place = $("[data-return]", main());
  clearInterval(leaving);
  if (!place || stays) return;
  let seconds = RETURN_AFTER;
  const shown = $("[data-seconds]", place);
  const show = () => { shown.textContent = shown.dataset.seconds.replace("#", seconds); };
  $("[data-soon]", place).hidden = false;
  show();
  leaving = setInterval(() => {
    seconds -= 1;
    show();
    if (seconds <= 0) {
      clearInterval(leaving);
      location.assign($("#return").href);
    }
  }, 1_000);
}

/* Wallets of this browser (EIP-6963). */
const wallets = new Map();
let walletSays = "";

addEventListener("eip6963:announceProvider", ({ detail }) => {
  if (detail?.provider?.request && detail.info?.uuid) wallets.set(detail.info.uuid, detail);
  showWallets();
});

function showWallets() {
  const place = $("#wallets");
  if (!place || wallets.size === 0) return;
  place.hidden = false;
  const buttons = [...wallets.values()].map(({ info }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.id = `wallet-${info.uuid}`;
    button.dataset.wallet = info.uuid;
    button.textContent = `${place.dataset.with} ${String(info.name).slice(0, 40)}`;
    button.ariaDisabled = String(isAsked(place));
    return button;
  });
  $("[data-list]", place).replaceChildren(...buttons);
  $("[data-says]", place).textContent = walletSays;
}

/* A wallet is asked for a payment once: a second press would be a second payment. */
let askedFor;
const isAsked = ({ dataset }) => askedFor === dataset.calldata;

function mark(calldata) {
  askedFor = calldata;
  const place = $("#wallets");
  if (place) for (const button of place.querySelectorAll("button")) button.ariaDisabled = String(isAsked(place));
}

async function pay(uuid) {
  if (isAsked($("#wallets")) || isOver()) return;
  const { chain, token, calldata, asking, sent, declined, network, failed } = $("#wallets").dataset;
  const { provider } = wallets.get(uuid);
  const isThere = async () => Number(await provider.request({ method: "eth_chainId" })) === Number(chain);
  const say = (text) => {
    walletSays = text;
    const place = $("[data-says]");
    if (place) place.textContent = text;
  };
  say(asking);
  mark(calldata);
  try {
    const [from] = await provider.request({ method: "eth_requestAccounts" });
    if (!(await isThere())) {
      await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: chain }] });
      if (!(await isThere())) throw { code: 4902 };
    }
    // Whoever had to find a password first may have taken minutes: is it still what this page asks for, and in time?
    const asks = $("#wallets")?.dataset;
    if (isOver() || asks?.calldata !== calldata || asks.token !== token || asks.chain !== chain) {
      mark();
      return say("");
    }
    const transaction = { from, to: token, data: calldata, value: "0x0", chainId: chain };
    await provider.request({ method: "eth_sendTransaction", params: [transaction] });
    say(sent);
  } catch (error) {
    mark();
    say({ 4001: declined, 4902: network }[error?.code] ?? failed);
  }
}

async function copy(button) {
  const { copy: text, done, failed } = button.dataset;
  button.dataset.label ??= button.textContent;
  let ok = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    ok = false; // not allowed, or no clipboard at all
  }
  button.textContent = ok ? done : failed;
  button.classList.add(ok ? "is-done" : "is-failed");
  tell(button.textContent);
  setTimeout(() => {
    button.textContent = button.dataset.label;
    button.classList.remove("is-done", "is-failed");
  }, 3_000);
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("button");
  if (!button) return;
  if (button.dataset.copy) copy(button);
  if (button.dataset.wallet) pay(button.dataset.wallet);
  if ("print" in button.dataset) print();
  if ("stay" in button.dataset) {
    stays = true;
    clearInterval(leaving);
    $("#return").focus();
    $("[data-soon]").hidden = true;
  }
});

function dress() {
  showWallets();
  prepareReturn();
  tick();
}

// A page that comes back out of the browser's memory may be old.
addEventListener("pageshow", ({ persisted }) => persisted && reload());
// Before anything is chosen there is no stream. Whoever comes back to such a page may have chosen on another meanwhile.
addEventListener("focus", () => {
  const { now, live } = main().dataset;
  if (now && !live) reload();
});
// Its stream may have died unnoticed while nobody looked.
document.addEventListener("visibilitychange", () => !document.hidden && main().dataset.now && reload());
setInterval(tick, 1_000);
dispatchEvent(new Event("eip6963:requestProvider"));
dress();
listen();
