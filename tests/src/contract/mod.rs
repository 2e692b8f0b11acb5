//! One suite for each port; every backend must pass it.

pub mod source;
