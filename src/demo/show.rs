//! The command `demo`: everything is started, the story is played and watched, the end is judged. Not for the story.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::Tools;
use super::cast::{Coin, Role};
use super::scene::Scene;
use super::screen::Screen;
use super::script::Director;
use super::shop::BUSINESS;
use super::stage::Stage;
use crate::domain::Address;

/// The story takes a fifth of it.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the database is asked how things stand.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// From block to block, for people and otherwise.
const WATCHED_BEAT: Duration = Duration::from_millis(650);
const BEAT: Duration = Duration::from_millis(250);
/// How long a reader at a terminal has to pay by the link, who did not ask for everything to be kept.
const VISIT: Duration = Duration::from_secs(300);
/// Where a session of the reader's own is to be paid.
const YOURS: Address = Address::repeat_byte(0x77);
/// How long webhooks may take after the story's end.
const HEARD_WITHIN: Duration = Duration::from_secs(20);
/// Findings shown at most.
const FINDINGS: i64 = 20;

/// How the demo is asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Leave everything running until Ctrl-C.
    pub keep: bool,
    /// The folder of the pinned binaries; `DEPOSIT_WATCHER_TOOLS`, else where `make tools` puts them.
    pub tools: Option<PathBuf>,
}

/// Plays it; true when every session ended as it must and the books are right. Ctrl-C ends it at any time.
pub async fn run(options: Options) -> anyhow::Result<bool> {
    // Before anything starts. That even kill -9 leaves nothing behind is the guards' work.
    let mut stops = Stops::listen()?;
    let folder = options.tools.or_else(|| std::env::var_os(Tools::VARIABLE).map(PathBuf::from));
    let tools = Tools::at(folder.unwrap_or_else(|| PathBuf::from(Tools::FOLDER)));
    let mut screen = Screen::new(Role::ALL.len());
    let (stage, right) = tokio::select! {
        played = play(&tools, &mut screen) => played?,
        () = stops.next() => {
            screen.say("\nstopped before the end; nothing is left running")?;
            return Ok(false);
        }
    };
    if options.keep || screen.is_watched() {
        let until = if options.keep { "until Ctrl-C" } else { "for five minutes, or until Ctrl-C" };
        invite(&stage, &Scene::look(&stage).await?, &mut screen, until)?;
        tokio::select! {
            gone = go_on(&stage) => gone?,
            () = stops.next() => {}
            () = sleep(VISIT), if !options.keep => {}
        }
        drop(stage);
        screen.say("\nstopped; nothing is left running")?;
    } else {
        screen.say(
            "with --keep it stays, to be paid by you, and looked at with psql, curl and `deposit-watcher status`",
        )?;
    }
    Ok(right)
}

async fn play(tools: &Tools, screen: &mut Screen) -> anyhow::Result<(Stage, bool)> {
    let begun = Instant::now();
    screen.say("starting PostgreSQL, anvil and `deposit-watcher run` ...")?;
    let stage = Stage::build(tools).await?;
    let (metrics, api, database) = (stage.metrics_url(), stage.shop.description_url(), stage.database_url());
    let checkout = stage.shop.checkout_url();
    screen.say(&format!(
        "metrics   {metrics}\nAPI       {api}\ndatabase  psql {database}\npay       {checkout}\n          a payment page \
         of your own while this runs; {checkout}?lang=fr in French\n"
    ))?;
    let in_time = told(&stage, screen).await?;
    let right = judged(&stage, screen, in_time).await?;
    let verdict = if right { "every session ended as it must" } else { "NOT everything ended as it must" };
    screen.say(&format!("\n{verdict}, after {:.1} s", begun.elapsed().as_secs_f64()))?;
    Ok((stage, right))
}

/// The story, watched; false when it did not end in time.
async fn told(stage: &Stage, screen: &mut Screen) -> anyhow::Result<bool> {
    let (scenes, seen) = watch::channel(Scene::default());
    let (news, heard) = mpsc::unbounded_channel();
    let beat = if screen.is_live() { WATCHED_BEAT } else { BEAT };
    let story = timeout(PATIENCE, Director::new(stage, seen, news, beat).play());
    tokio::select! {
        ended = story => match ended {
            Ok(ended) => ended.map(|()| true),
            Err(_) => Ok(false),
        },
        gone = looking(stage, screen, scenes, heard) => gone.map(|()| false),
    }
}

/// Looks and shows, again and again; ends only by an error.
async fn looking(
    stage: &Stage,
    screen: &mut Screen,
    scenes: watch::Sender<Scene>,
    mut news: mpsc::UnboundedReceiver<String>,
) -> anyhow::Result<()> {
    loop {
        stage.alive()?;
        let scene = Scene::look(stage).await?;
        while let Ok(news) = news.try_recv() {
            screen.tell(news)?;
        }
        screen.show(&scene)?;
        scenes.send_replace(scene);
        sleep(LOOK_EVERY).await;
    }
}

/// The final table, the books, the events.
async fn judged(stage: &Stage, screen: &mut Screen, in_time: bool) -> anyhow::Result<bool> {
    let scene = Scene::look(stage).await?;
    screen.show(&scene)?;
    screen.judge(&scene)?;
    let told = hear_all(stage, screen).await?;
    let findings = stage.store.books(FINDINGS).await?;
    let events = stage.store.event_counts().await?;
    let events: Vec<String> =
        events.iter().map(|(kind, count)| format!("{count} {}", kind.trim_start_matches("deposit."))).collect();
    screen.say(&format!("events    {}", events.join(", ")))?;
    screen.say(&format!("books     {}", if findings.is_empty() { "right: no finding" } else { "WRONG:" }))?;
    for finding in &findings {
        screen.say(&format!("          {}: {}: {}", finding.rule, finding.subject, finding.detail))?;
    }
    if !in_time {
        screen.say(&format!("the story did not end within {} s", PATIENCE.as_secs()))?;
    }
    Ok(in_time && scene.ended() && told && findings.is_empty())
}

/// Waits until the shop has heard of every event; true when it heard of each once, believed all, and missed none.
async fn hear_all(stage: &Stage, screen: &mut Screen) -> anyhow::Result<bool> {
    let written = usize::try_from(stage.store.event_count(BUSINESS).await?)?;
    let begun = Instant::now();
    while stage.shop.heard().events() < written && begun.elapsed() < HEARD_WITHIN {
        sleep(LOOK_EVERY).await;
    }
    let heard = stage.shop.heard();
    let right = heard.events() == written && heard.gapless() && heard.again == 0 && heard.refused.is_empty();
    let types: Vec<String> = heard.types.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let (events, mark) =
        (heard.events(), if right { "numbered without a gap, each once" } else { "NOT as it must be" });
    screen.say(&format!("\nwebhooks  {events} of {written} heard, signatures right, {mark}: {}", types.join(", ")))?;
    for why in &heard.refused {
        screen.say(&format!("          refused: {why}"))?;
    }
    Ok(right)
}

/// What can be looked at while it is left running.
fn invite(stage: &Stage, scene: &Scene, screen: &mut Screen, until: &str) -> anyhow::Result<()> {
    let reverted = scene.row(Role::Reverted).map(|row| row.id.clone()).unwrap_or_default();
    let me = std::env::args_os().next().map_or_else(|| PathBuf::from("deposit-watcher"), PathBuf::from);
    // It would go before the file, and is somebody else's.
    let elsewhere = std::env::var_os("DATABASE_URL").map_or("", |_| "env -u DATABASE_URL ");
    let (me, config) = (format!("{elsewhere}{}", me.display()), stage.config().display().to_string());
    let checkout = stage.shop.checkout_url();
    let lines = [
        format!("\nleft running {until}, with a block every second"),
        format!("open in a browser  {checkout}"),
        format!("or in French       {checkout}?lang=fr"),
        "and pay there: the page has test tools that pay for you. Or try".to_owned(),
        format!("  {me} status --config {config}"),
        format!("  {me} sessions show {reverted} --config {config}"),
        format!("  {me} webhooks deliveries --config {config}"),
        format!("  {}", stage.shop.curl(Role::Reverted)?),
        format!("  psql {}", stage.database_url()),
        format!("  curl {}", stage.metrics_url()),
        format!("  tail -f {}", stage.log().display()),
        "or open a session yourself, and pay it".to_owned(),
        format!(
            "  {me} sessions create --id dep_yours --network {} --token {} --amount 7 --to {YOURS} --config {config}",
            stage.slug,
            Coin::Dollar.key()
        ),
        format!("  {me} pay dep_yours --config {config}"),
    ];
    Ok(screen.say(&lines.join("\n"))?)
}

/// A block a second; ends only by an error.
async fn go_on(stage: &Stage) -> anyhow::Result<()> {
    loop {
        stage.alive()?;
        stage.evm.mine(1).await?;
        sleep(Duration::from_secs(1)).await;
    }
}

/// What asks us to stop.
struct Stops([Signal; 3]);

impl Stops {
    fn listen() -> std::io::Result<Stops> {
        use SignalKind as Kind;
        Ok(Stops([signal(Kind::interrupt())?, signal(Kind::terminate())?, signal(Kind::hangup())?]))
    }

    async fn next(&mut self) {
        let Stops([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
