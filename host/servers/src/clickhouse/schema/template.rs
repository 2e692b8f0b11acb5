//! One SQL file for plain, replicated and sharded servers: what stands in `%{…}` depends on which.
//!
//! `%{table NAME}` is the table that holds the rows, as DDL names it; `%{engine VERSION}` its engine,
//! keeping the greatest VERSION of equal keys (`%{engine}` keeps all); `%{spread NAME KEY}` the
//! `Distributed` table over the shards' local ones, or nothing.

use super::super::settings::ClickHouseSettings;
use super::super::sql::Names;

/// The file's text for these settings, without statements that are empty there.
pub(super) fn fill(file: &str, settings: &ClickHouseSettings) -> String {
    let names = Names::of(settings);
    let mut filled = String::with_capacity(file.len() * 2);
    let mut rest = file;
    while let Some((before, behind)) = rest.split_once("%{") {
        filled.push_str(before);
        let (words, after) = behind.split_once('}').unwrap_or((behind, ""));
        let mut words = words.splitn(3, ' ');
        let (what, name, key) = (words.next(), words.next().unwrap_or(""), words.next().unwrap_or(""));
        match what {
            Some("table") => filled.push_str(&names.everywhere(name)),
            Some("engine") => filled.push_str(&engine(settings, name)),
            Some("spread") => filled.push_str(&spread(&names, name, key)),
            _ => {}
        }
        rest = after;
    }
    filled.push_str(rest);
    // A `Distributed` table that is not needed leaves its semicolon and an empty line.
    filled.replace("\n;\n\n", "\n").replace("\n\n;\n", "\n")
}

/// The statements of a filled file, without comments.
pub(super) fn statements(filled: &str) -> Vec<String> {
    let code: String =
        filled.lines().filter(|line| !line.starts_with("--")).flat_map(|line| [line, "\n"]).collect();
    code.split(";\n").map(|sql| sql.trim().to_owned()).filter(|sql| !sql.is_empty()).collect()
}

/// Replicas find each other by a path that names the shard, the database and the table.
fn engine(settings: &ClickHouseSettings, version: &str) -> String {
    let path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";
    match (settings.replicated, version) {
        (false, "") => "MergeTree".into(),
        (false, version) => format!("ReplacingMergeTree({version})"),
        (true, "") => format!("ReplicatedMergeTree({path})"),
        (true, version) => format!("ReplicatedReplacingMergeTree({path}, {version})"),
    }
}

fn spread(names: &Names, table: &str, key: &str) -> String {
    let Some(cluster) = names.cluster() else { return String::new() };
    let (over, local) = (names.table(table), names.local(table));
    format!(
        "CREATE TABLE IF NOT EXISTS {over}{} AS {local}\nENGINE = Distributed('{cluster}', '{}', '{table}_local', {key})",
        names.on_cluster(),
        names.database(),
    )
}
