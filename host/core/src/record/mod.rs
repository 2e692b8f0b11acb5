//! The record (contract): what arrives on the topic, and what the SDK posts.

pub mod intake;

mod envelope;
mod fields;

pub(crate) use envelope::{Envelope, Payload, payload_fault, record_fault};
