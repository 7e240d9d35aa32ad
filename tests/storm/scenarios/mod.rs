//! One rule a test, each small: a world, a few blocks, what must be seen.

mod looks;
