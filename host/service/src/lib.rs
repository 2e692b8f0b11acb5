//! The replay processor as a library: the binary is a thin shell around it.

pub mod config;
