//! One line for each call, and the lines a program writes.
