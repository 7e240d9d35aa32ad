//! The line at a counter: who is told what, when, and what becomes of the others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::*;

/// Answers each question with the number of the look that answered it, when it is let.
#[derive(Clone)]
struct Scripted {
    looks: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    let_go: Arc<Semaphore>,
}

/// What a look comes to that is asked this.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Question {
    Plain(usize),
    Fail,
    Fall,
}

impl Clerk for Scripted {
    type Question = Question;
    type Answer = (Question, usize);

    async fn answer(&mut self, questions: &[Question]) -> Result<Vec<(Question, usize)>, Error> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(questions.len(), Ordering::SeqCst);
        let let_go = tokio::time::timeout(Duration::from_secs(60), self.let_go.acquire()).await;
        let_go.expect("one look more than there should be").unwrap().forget();
        assert!(!questions.contains(&Question::Fall), "as the test wants it");
        match questions.contains(&Question::Fail) {
            true => Err(Error::Unavailable(format!("look {look}"))),
            false => Ok(questions.iter().map(|question| (*question, look)).collect()),
        }
    }
}

struct Scene {
    clerk: Scripted,
    together: Together<Scripted>,
}

impl Scene {
    fn new() -> Scene {
        Scene::of(1)
    }

    fn of(clerks: usize) -> Scene {
        let zero = || Arc::new(AtomicUsize::new(0));
        let clerk = Scripted { looks: zero(), most: zero(), calls: zero(), let_go: Arc::new(Semaphore::new(0)) };
        let together = Together::new(clerks, {
            let clerk = clerk.clone();
            move || {
                clerk.calls.fetch_add(1, Ordering::SeqCst);
                clerk.clone()
            }
        });
        Scene { clerk, together }
    }

    /// Asks in a task, and returns when the question stands in line.
    async fn ask(&self, question: Question) -> tokio::task::JoinHandle<Result<(Question, usize), Error>> {
        let together = self.together.clone();
        let asking = tokio::spawn(async move { together.ask(question).await });
        settle().await;
        asking
    }

    fn looks(&self) -> usize {
        self.clerk.looks.load(Ordering::SeqCst)
    }

    fn let_go(&self, looks: usize) {
        self.clerk.let_go.add_permits(looks);
    }
}

/// Everything that can run has run: the clock of a paused runtime moves only then.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_during_a_look_is_answered_by_a_later_one() {
    let scene = Scene::new();
    let first = scene.ask(Question::Plain(1)).await;
    assert_eq!(scene.looks(), 1);
    let (second, third) = (scene.ask(Question::Plain(2)).await, scene.ask(Question::Plain(3)).await);
    assert_eq!(scene.looks(), 1, "two looks at a time");
    scene.let_go(1);
    assert_eq!(first.await.unwrap().unwrap(), (Question::Plain(1), 0));
    settle().await;
    assert!(!second.is_finished() && !third.is_finished(), "told what was read before it was asked");
    scene.let_go(1);
    assert_eq!(second.await.unwrap().unwrap(), (Question::Plain(2), 1));
    assert_eq!(third.await.unwrap().unwrap(), (Question::Plain(3), 1), "they did not go together");
    assert_eq!((scene.looks(), scene.clerk.calls.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn two_clerks_are_asked_at_a_time_and_no_third() {
    let scene = Scene::of(2);
    let (first, second) = (scene.ask(Question::Plain(1)).await, scene.ask(Question::Fall).await);
    assert_eq!(scene.looks(), 2, "who finds the clerk busy waits for him");
    let third = scene.ask(Question::Plain(3)).await;
    assert_eq!(scene.looks(), 2, "three looks at a time");
    scene.let_go(2);
    assert_eq!(first.await.unwrap().unwrap(), (Question::Plain(1), 0));
    // One falls; the other goes on with who stands in line.
    assert!(second.await.unwrap().is_err());
    settle().await;
    scene.let_go(1);
    assert_eq!(third.await.unwrap().unwrap(), (Question::Plain(3), 2));
}

#[tokio::test(start_paused = true)]
async fn who_comes_after_the_clerk_went_calls_another() {
    let scene = Scene::new();
    scene.let_go(4);
    for look in 0..2 {
        assert_eq!(scene.together.ask(Question::Plain(7)).await.unwrap(), (Question::Plain(7), 2 * look));
        // He is still there for who has more to ask at once.
        assert_eq!(scene.together.ask(Question::Plain(8)).await.unwrap(), (Question::Plain(8), 2 * look + 1));
        tokio::time::sleep(2 * LINGERS).await;
    }
    assert_eq!(scene.clerk.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_told_to_all_who_went_together_and_to_nobody_else() {
    let scene = Scene::new();
    let before = scene.ask(Question::Plain(0)).await;
    let with = join_all([Question::Plain(1), Question::Fail, Question::Plain(2)].map(|one| scene.ask(one))).await;
    scene.let_go(1);
    assert!(before.await.unwrap().is_ok());
    settle().await;
    let after = scene.ask(Question::Plain(3)).await;
    scene.let_go(2);
    for told in join_all(with).await {
        assert_eq!(told.unwrap().unwrap_err().to_string(), "database unavailable: look 1");
    }
    assert_eq!(after.await.unwrap().unwrap(), (Question::Plain(3), 2));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_takes_nothing_from_the_others() {
    let scene = Scene::new();
    let first = scene.ask(Question::Plain(1)).await;
    let (gone, stays) = (scene.ask(Question::Fail).await, scene.ask(Question::Plain(2)).await);
    // One whose question is being asked, and one who stands in line: his is not asked at all.
    first.abort();
    gone.abort();
    settle().await;
    scene.let_go(2);
    assert_eq!(stays.await.unwrap().unwrap(), (Question::Plain(2), 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_stands_in_line_for_ever() {
    let scene = Scene::new();
    let asked = join_all([Question::Plain(1), Question::Plain(2)].map(|one| scene.ask(one))).await;
    for waiting in asked {
        let told = tokio::time::timeout(2 * WAITS, waiting).await.expect("left waiting").unwrap();
        assert_eq!(told.unwrap_err().to_string(), "database unavailable: nobody was free to ask within 10 s");
    }
    scene.let_go(3);
    assert_eq!(scene.together.ask(Question::Plain(3)).await.unwrap(), (Question::Plain(3), 1));
    assert_eq!(scene.looks(), 2, "what nobody waits for was asked");
}

#[tokio::test(start_paused = true)]
async fn a_clerk_who_falls_leaves_nobody_waiting() {
    let scene = Scene::new();
    let fatal = scene.ask(Question::Fall).await;
    let waiting = scene.ask(Question::Plain(1)).await;
    scene.let_go(1);
    for left in [fatal, waiting] {
        let told = tokio::time::timeout(Duration::from_secs(5), left).await.expect("left waiting").unwrap();
        assert_eq!(told.unwrap_err().to_string(), "database unavailable: a question was left behind");
    }
    scene.let_go(1);
    assert!(scene.together.ask(Question::Plain(2)).await.is_ok(), "nobody serves any more");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_need_few_looks_and_keep_their_turn() {
    let scene = Scene::new();
    let first = scene.ask(Question::Plain(0)).await;
    scene.let_go(10);
    let answers = join_all((1..=1_000).map(|n| scene.together.ask(Question::Plain(n)))).await;
    first.await.unwrap().unwrap();
    let looks: Vec<usize> = answers
        .into_iter()
        .enumerate()
        .map(|(at, answer)| {
            let (question, look) = answer.unwrap();
            assert_eq!(question, Question::Plain(at + 1), "told another's answer");
            look
        })
        .collect();
    assert!(looks.is_sorted(), "somebody was passed over");
    assert_eq!(scene.looks(), 5);
    assert!(scene.clerk.most.load(Ordering::SeqCst) <= AT_MOST);
}
