//! The binary. Not for anything but starting the library's roof.

fn main() {}
