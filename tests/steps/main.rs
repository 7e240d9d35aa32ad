//! `Watcher::step` turned by hand over a scripted chain and a real PostgreSQL: a module a rule that was once broken.
//! Not a storm: each test says what happens, step by step.

#[path = "../support/scripted.rs"]
mod scripted;
#[path = "../support/mod.rs"]
mod support;

mod chains;
mod content;
mod heads;
mod house;
mod rows;
mod witnesses;
