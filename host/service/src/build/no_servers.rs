//! The place of `servers` in a build without clients for servers: everything is refused by name.

use std::sync::Arc;

use replay_ports::{ColdStore, DeadLetters, Finding, HotStore, PortError, Result, Source};

use super::Opener;
use crate::config::{ClickHouse, Kafka, S3, Settings};
use crate::registry::Remote;

fn lacking<T>(server: &str) -> Result<T> {
    Err(PortError::refused(format!(
        "this build has no client for {server}; build it with the cargo feature `servers`"
    )))
}

fn lacking_finding(server: &str) -> Vec<Finding> {
    vec![Finding::wrong(
        "build",
        format!("no client for {server} in it"),
        "build with the cargo feature `servers`",
    )]
}

pub(super) async fn source(_: &Settings, _: &Kafka, _: Opener) -> Result<Arc<dyn Source>> {
    lacking("Kafka")
}

pub(super) async fn hot(_: &Settings, _: &ClickHouse, _: Opener) -> Result<Arc<dyn HotStore>> {
    lacking("ClickHouse")
}

pub(super) async fn letters_table(_: &Settings, _: &ClickHouse, _: Opener) -> Result<Arc<dyn DeadLetters>> {
    lacking("ClickHouse")
}

pub(super) async fn letters_topic(
    _: &Settings,
    _: &Kafka,
    _: &str,
    _: Opener,
) -> Result<Arc<dyn DeadLetters>> {
    lacking("Kafka")
}

pub(super) async fn cold(_: &S3, _: Opener) -> Result<Arc<dyn ColdStore>> {
    lacking("S3")
}

pub(super) async fn cold_for_reading(_: &S3) -> Result<Arc<dyn ColdStore>> {
    lacking("S3")
}

pub(super) fn registry(_: &S3, _: tokio::runtime::Handle) -> Option<Arc<dyn Remote>> {
    None
}

pub(super) fn schema_text(_: &Settings, _: &ClickHouse) -> Result<String> {
    lacking("ClickHouse")
}

pub(super) async fn apply_schema(_: &Settings, _: &ClickHouse, _: bool) -> Result<String> {
    lacking("ClickHouse")
}

pub(super) async fn examine_kafka(_: &Settings, _: &Kafka, _: Option<&str>) -> Vec<Finding> {
    lacking_finding("Kafka")
}

pub(super) async fn examine_clickhouse(_: &Settings, _: &ClickHouse) -> Vec<Finding> {
    lacking_finding("ClickHouse")
}

pub(super) async fn examine_s3(_: &S3) -> Vec<Finding> {
    lacking_finding("S3")
}
