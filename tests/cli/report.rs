//! Reports, from books that a test writes by hand: whatever the past may have been, in amounts from nothing to the
//! largest, at moments on either side of every boundary.

mod accounting;
mod adding;
mod asking;
mod books;
mod closing;
mod days;
