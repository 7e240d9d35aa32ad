//! The board and its poller on a clock of their own, with a database that counts how often it is asked.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;

fn session(name: &str) -> SessionId {
    SessionId(name.to_owned())
}

fn state(text: &str) -> Update {
    let json = format!("{{\"state\":\"{text}\"}}");
    Update { id: text.to_owned(), json, view: Arc::new(View::waiting()), last: text == "paid" }
}

/// What sessions show, and how it was asked for.
#[derive(Default)]
struct Desk {
    states: BTreeMap<SessionId, Update>,
    asked: Vec<Vec<SessionId>>,
    away: bool,
    mute: bool,
}

struct Scene {
    board: Arc<Board>,
    desk: Arc<Mutex<Desk>>,
    shutdown: CancellationToken,
    polling: JoinHandle<()>,
}

impl Scene {
    fn begin(in_all: usize, of_session: usize) -> Scene {
        let (board, desk) = (Arc::new(Board::new(in_all, of_session)), Arc::new(Mutex::<Desk>::default()));
        let shutdown = CancellationToken::new();
        let (polled, asked, stop) = (board.clone(), desk.clone(), shutdown.clone());
        let look = move |mut sessions: Vec<SessionId>| -> Look {
            sessions.sort();
            let mut desk = asked.lock().unwrap();
            desk.asked.push(sessions.clone());
            let seen = sessions.iter().filter_map(|id| Some((id.clone(), desk.states.get(id)?.clone()))).collect();
            let answer = if desk.away { Err(Error::Unavailable("away".to_owned())) } else { Ok(seen) };
            if desk.mute { Box::pin(std::future::pending()) } else { Box::pin(std::future::ready(answer)) }
        };
        let polling = tokio::spawn(async move { run(&polled, &stop, look).await });
        Scene { board, desk, shutdown, polling }
    }

    fn shows(&self, name: &str, text: &str) {
        self.desk.lock().unwrap().states.insert(session(name), state(text));
    }

    fn asked(&self) -> Vec<Vec<SessionId>> {
        std::mem::take(&mut self.desk.lock().unwrap().asked)
    }

    fn watch(&self, name: &str, seen: Option<&str>) -> Watch {
        self.board.enter(&session(name), seen).unwrap()
    }
}

async fn id(watch: &mut Watch) -> Option<String> {
    watch.next().await.map(|update| update.id.clone())
}

/// What is heard within ten minutes.
async fn heard(watch: &mut Watch) -> Option<Option<String>> {
    timeout(Duration::from_secs(600), id(watch)).await.ok()
}

#[tokio::test(start_paused = true)]
async fn nobody_watches_and_nothing_is_asked() {
    let scene = Scene::begin(10, 10);
    sleep(Duration::from_secs(60)).await;
    drop(scene.watch("a", None));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.asked(), Vec::<Vec<SessionId>>::new());
    assert!(scene.board.sessions(false).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_viewers_of_a_hundred_sessions_are_one_question_a_look() {
    let scene = Scene::begin(1_000, 100);
    let names: Vec<String> = (0..100).map(|n| format!("s{n:02}")).collect();
    names.iter().for_each(|name| scene.shows(name, "open"));
    let mut viewers: Vec<Watch> = names.iter().cycle().take(1_000).map(|name| scene.watch(name, None)).collect();
    let mut shared = Vec::new();
    for viewer in &mut viewers {
        shared.push(viewer.next().await.unwrap());
    }
    assert!(shared.iter().skip(100).zip(&shared).all(|(later, first)| Arc::ptr_eq(later, first)), "written twice");
    scene.asked();
    sleep(Duration::from_millis(10_100)).await;
    let asked = scene.asked();
    assert_eq!(asked.len(), 50);
    assert!(asked.iter().all(|sessions| sessions.len() == 100));
}

#[tokio::test(start_paused = true)]
async fn who_is_new_is_answered_at_once_and_others_are_not_asked_about() {
    let scene = Scene::begin(10, 10);
    scene.shows("a", "open");
    scene.shows("b", "open");
    let mut first = scene.watch("a", None);
    assert_eq!(id(&mut first).await.as_deref(), Some("open"));
    sleep(Duration::from_millis(100)).await;
    assert_eq!(scene.asked(), [[session("a")]]);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(scene.asked(), [[session("a")]]);
    let begun = Instant::now();
    assert_eq!(id(&mut scene.watch("b", None)).await.as_deref(), Some("open"));
    // A second viewer of what is shown already needs no question.
    assert_eq!(id(&mut scene.watch("a", None)).await.as_deref(), Some("open"));
    assert_eq!((begun.elapsed(), scene.asked()), (Duration::ZERO, vec![vec![session("b")]]));
}

#[tokio::test(start_paused = true)]
async fn crowds_that_arrive_delay_nobody_s_turn() {
    let scene = Scene::begin(1_000, 10);
    scene.shows("a", "open");
    let mut first = scene.watch("a", None);
    id(&mut first).await;
    scene.shows("a", "seen");
    let crowd = async {
        for n in 0..600 {
            let _viewer = scene.watch(&format!("other{n}"), None);
            sleep(Duration::from_millis(10)).await;
        }
    };
    let begun = Instant::now();
    tokio::select! {
        heard = id(&mut first) => assert_eq!(heard.as_deref(), Some("seen")),
        () = crowd => panic!("never its turn"),
    }
    assert!(begun.elapsed() <= LOOK_EVERY.saturating_mul(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_is_not_sent_again_and_anything_else_is() {
    let scene = Scene::begin(10, 10);
    scene.shows("a", "open");
    let (mut knows, mut old) = (scene.watch("a", Some("open")), scene.watch("a", Some("older")));
    assert_eq!(id(&mut old).await.as_deref(), Some("open"));
    assert_eq!(heard(&mut knows).await, None);
    assert_eq!(heard(&mut old).await, None);
    scene.shows("a", "seen");
    assert_eq!(id(&mut knows).await.as_deref(), Some("seen"));
    assert_eq!(id(&mut old).await.as_deref(), Some("seen"));
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_gets_the_newest_state_only() {
    let scene = Scene::begin(10, 10);
    let mut slow = scene.watch("a", None);
    for text in ["open", "seen", "more", "most"] {
        scene.shows("a", text);
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(id(&mut slow).await.as_deref(), Some("most"));
    assert_eq!(heard(&mut slow).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_last_state_ends_a_stream_and_who_comes_back_waits_for_what_may_follow() {
    let scene = Scene::begin(10, 10);
    scene.shows("a", "paid");
    let mut viewer = scene.watch("a", None);
    let update = viewer.next().await.unwrap();
    assert!(update.last);
    assert_eq!(heard(&mut viewer).await, Some(None));
    let mut again = scene.watch("a", Some("paid"));
    assert_eq!(heard(&mut again).await, None);
    scene.shows("a", "reverted");
    assert_eq!(id(&mut again).await.as_deref(), Some("reverted"));
}

#[tokio::test(start_paused = true)]
async fn who_stays_hears_what_follows_the_last_state() {
    let scene = Scene::begin(10, 10);
    scene.shows("a", "paid");
    let mut viewer = scene.watch("a", None).stay();
    assert!(viewer.next().await.unwrap().last);
    assert_eq!(heard(&mut viewer).await, None);
    scene.shows("a", "reverted");
    assert_eq!(id(&mut viewer).await.as_deref(), Some("reverted"));
}

#[tokio::test(start_paused = true)]
async fn rooms_are_full_and_empty_again() {
    let scene = Scene::begin(3, 2);
    let (one, two) = (scene.watch("a", None), scene.watch("a", None));
    let refused = |name| scene.board.enter(&session(name), None).unwrap_err();
    assert_eq!(refused("a"), TooManyViewers::OfSession(2));
    let three = scene.watch("b", None);
    assert_eq!([refused("b"), refused("c")], [TooManyViewers::InAll(3); 2]);
    drop(one);
    let four = scene.watch("a", None);
    drop((two, three, four));
    assert!(scene.board.sessions(false).is_empty());
    let _all = [scene.watch("a", None), scene.watch("a", None), scene.watch("c", None)];
}

#[tokio::test(start_paused = true)]
async fn an_outage_keeps_viewers_and_is_not_hammered() {
    let scene = Scene::begin(100, 10);
    scene.shows("a", "open");
    let mut viewer = scene.watch("a", None);
    id(&mut viewer).await;
    scene.desk.lock().unwrap().away = true;
    scene.shows("a", "seen");
    scene.asked();
    for n in 0..60 {
        let _passing = scene.watch(&format!("other{n}"), None);
        assert!(timeout(Duration::from_secs(1), viewer.next()).await.is_err());
    }
    let asked = scene.asked().len();
    assert!((10..20).contains(&asked), "asked {asked} times in a minute");
    scene.desk.lock().unwrap().away = false;
    let begun = Instant::now();
    assert_eq!(id(&mut viewer).await.as_deref(), Some("seen"));
    assert!(begun.elapsed() <= LOOK_AT_LEAST);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_never_answers_is_given_up_and_asked_again() {
    let scene = Scene::begin(10, 10);
    scene.shows("a", "open");
    scene.desk.lock().unwrap().mute = true;
    let mut viewer = scene.watch("a", None);
    sleep(Duration::from_secs(2)).await;
    scene.desk.lock().unwrap().mute = false;
    assert_eq!(heard(&mut viewer).await.flatten().as_deref(), Some("open"));
}

#[tokio::test(start_paused = true)]
async fn closing_ends_streams_and_those_to_come() {
    let scene = Scene::begin(10, 10);
    scene.shows("a", "open");
    let mut viewer = scene.watch("a", None);
    id(&mut viewer).await;
    scene.shutdown.cancel();
    assert_eq!(heard(&mut viewer).await, Some(None));
    scene.polling.await.unwrap();
    assert_eq!(heard(&mut scene.board.enter(&session("a"), None).unwrap()).await, Some(None));
}

fn view(closed: bool, confirmations: u64) -> View {
    View { closed, confirmations: Some(confirmations), ..View::waiting() }
}

#[test]
fn confirmations_are_news_until_a_session_is_over() {
    let id = |closed, confirmations| update(view(closed, confirmations)).unwrap().id;
    assert_ne!(id(false, 1), id(false, 2));
    assert_eq!(id(true, 1), id(true, 2));
    assert_eq!(id(false, 1), id(false, 1));
    let over = update(view(true, 7)).unwrap();
    assert!(over.last && over.json.contains("\"confirmations\":7"), "{over:?}");
    assert!(!update(view(false, 7)).unwrap().last);
    let paid = View { payment_status: "CONFIRMED".to_owned(), ..view(true, 7) };
    assert_ne!(update(paid).unwrap().id, over.id);
    assert!(over.id.len() == 32 && over.id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", over.id);
}
