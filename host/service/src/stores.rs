//! The stores that a config names, opened once and shared.

use std::sync::Arc;

use replay_ports::{ColdStore, DeadLetters, HotStore, Source};

/// Where records come from and where they go.
#[derive(Clone)]
pub struct Stores {
    /// Kafka, or the local log.
    pub source: Arc<dyn Source>,
    /// Where they go.
    pub kept: Kept,
}

/// What is kept. All that the lifecycle and the readers need: neither has a link to the source.
#[derive(Clone)]
pub struct Kept {
    /// ClickHouse, or SQLite.
    pub hot: Arc<dyn HotStore>,
    /// S3, or a directory; `None` when nothing is moved.
    pub cold: Option<Arc<dyn ColdStore>>,
    /// A topic, or a table.
    pub letters: Arc<dyn DeadLetters>,
}
