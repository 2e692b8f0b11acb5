//! What `doctor` looks at: the server, who we are there, the tables, and each right that we need, by
//! trying it on nothing.

use clickhouse::Row;
use clickhouse::error::Error;
use replay_ports::PortError;
use serde::Deserialize;

use super::failure::{self, Doing};
use super::schema;
use super::server::{Server, now_ms};
use super::settings::ClickHouseSettings;
use super::sql::text;
use crate::Finding;

/// The oldest server that has what is used here: times to 2299 and `insert_quorum = 'auto'` (22.8, 22.9),
/// `xxh3` for adopting a table (22.12), and `APPLY DELETED MASK` (23.11). The 23.12 that is found in the
/// wild has them all.
const OLDEST: (u32, u32) = (23, 12);

/// Tables, and whether they are partitioned.
const TABLES: [(&str, bool); 5] = [
    ("replay_chunks", true),
    ("replay_archive", false),
    ("replay_tombstones", false),
    ("replay_audit", false),
    ("replay_dead_letters", true),
];

/// Looks at everything that has to be right, and says of each thing how it is. Never fails, changes
/// nothing, and stops where what follows could not work.
pub async fn examine(settings: &ClickHouseSettings) -> Vec<Finding> {
    let server = match Server::new(settings) {
        Ok(server) => server,
        Err(error) => return vec![Finding::wrong("clickhouse server", error.to_string(), "mend the config")],
    };
    let mut found = Vec::new();
    if look(&server, &mut found).await.is_none() {
        tracing::debug!("the rest of ClickHouse cannot be looked at");
    }
    found
}

/// `None` where it had to stop.
async fn look(server: &Server, found: &mut Vec<Finding>) -> Option<()> {
    greet(server, found).await?;
    cluster(server, found).await?;
    tables(server, found).await?;
    rights(server, found).await;
    mutations(server, found).await;
    Some(())
}

#[derive(Row, Deserialize)]
struct Greeting {
    version: String,
    now: i64,
}

async fn greet(server: &Server, found: &mut Vec<Finding>) -> Option<()> {
    let asked_ms = now_ms();
    let sql = "SELECT version() AS version, toUnixTimestamp64Milli(now64(3)) AS now";
    let answer = server.try_rows::<Greeting>(sql, "greet the server").await;
    let answered_ms = now_ms();
    let greeting = match answer {
        Ok(Ok(rows)) => rows.into_iter().next()?,
        Ok(Err(error)) => {
            found.push(no_greeting(server, &error));
            return None;
        }
        Err(error) => {
            found.push(unreachable(&error));
            return None;
        }
    };
    found.push(Finding::fine("clickhouse server", format!("{} answers", server.place)));
    let user = &server.settings.user;
    found.push(Finding::fine("clickhouse credentials", format!("the user {user} is known")));
    found.push(version(&greeting.version));
    let theirs = u64::try_from(greeting.now).unwrap_or(0);
    // The clocks agree if theirs can have been read while we waited.
    let skew_ms = asked_ms.saturating_sub(theirs).max(theirs.saturating_sub(answered_ms));
    found.push(if u128::from(skew_ms) <= server.settings.max_clock_skew.as_millis() {
        Finding::fine("clickhouse clock", format!("within {skew_ms} ms of ours"))
    } else {
        Finding::warning(
            "clickhouse clock",
            format!("{skew_ms} ms from ours, over max_clock_skew"),
            "let both machines follow one time server (NTP): retention and erasure go by these clocks",
        )
    });
    Some(())
}

fn no_greeting(server: &Server, error: &Error) -> Finding {
    let said = server.classify(error, Doing::Asking, "greet the server");
    match (&said, failure::code(error)) {
        (_, Some(192..=195 | 511 | 516)) => Finding::wrong(
            "clickhouse credentials",
            said.to_string(),
            "set `user` and `password` (or `password_file`) to those of a user of this server",
        ),
        (PortError::Unavailable { .. }, _) => unreachable(&said),
        _ => Finding::wrong(
            "clickhouse server",
            said.to_string(),
            "point `url` to the HTTP port of a ClickHouse",
        ),
    }
}

fn unreachable(error: &PortError) -> Finding {
    let advice = "start the server, or mend `url`: it is the HTTP port, 8123 unless changed";
    Finding::unreachable("clickhouse server", error.to_string(), advice)
}

fn version(text: &str) -> Finding {
    let mut numbers = text.split('.').map_while(|part| part.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        let detail = format!("{text:.40} is no version that we can read");
        return Finding::warning("clickhouse version", detail, "use 23.12 or later");
    };
    if (major, minor) >= OLDEST {
        return Finding::fine("clickhouse version", format!("{major}.{minor}"));
    }
    Finding::wrong(
        "clickhouse version",
        format!("{major}.{minor}; 23.12 is the oldest that has what is needed"),
        "upgrade the server",
    )
}

async fn cluster(server: &Server, found: &mut Vec<Finding>) -> Option<()> {
    let check = "clickhouse cluster";
    if let Some(name) = server.names.cluster() {
        let sql = format!("SELECT count() FROM system.clusters WHERE cluster = {}", text(name));
        if let Some(0) = count(server, check, &sql, found).await? {
            let detail = format!("the server knows no cluster {name}");
            let advice = "set `cluster` to one of `SELECT DISTINCT cluster FROM system.clusters`";
            found.push(Finding::wrong(check, detail, advice));
            return None;
        }
    }
    if server.settings.replicated {
        let sql = "SELECT count() FROM system.macros WHERE macro IN ('shard', 'replica')";
        if let Some(0..=1) = count(server, check, sql, found).await? {
            let detail = "the server has no macros `shard` and `replica`, which name a replica's tables";
            found.push(Finding::wrong(check, detail, "define them in <macros> of each server's config"));
            return None;
        }
    }
    if server.settings.replicated || server.names.cluster().is_some() {
        found.push(Finding::fine(check, "cluster and macros are as the config says"));
    }
    Some(())
}

/// A number, `Some(None)` where this user may not look, `None` where nothing can be asked.
async fn count(
    server: &Server,
    check: &'static str,
    sql: &str,
    found: &mut Vec<Finding>,
) -> Option<Option<u64>> {
    match server.row::<u64>("look at the server", sql).await {
        Ok(number) => Some(Some(number)),
        Err(PortError::Refused { what }) => {
            let advice = "grant SELECT on the system table, or look yourself";
            found.push(Finding::warning(check, what, advice));
            Some(None)
        }
        Err(error) => {
            found.push(unreachable(&error));
            None
        }
    }
}

async fn tables(server: &Server, found: &mut Vec<Finding>) -> Option<()> {
    let database = server.names.database();
    let sql = format!("SELECT count() FROM system.databases WHERE name = {}", text(database));
    if let Some(0) = count(server, "clickhouse database", &sql, found).await? {
        found.push(Finding::wrong(
            "clickhouse database",
            format!("there is no database {database} (or none that this user may see)"),
            "run `replay-processor schema apply` as a user who may create it, or mend `database`",
        ));
        return None;
    }
    found.push(Finding::fine("clickhouse database", format!("{database} is there")));
    match schema::look(server).await {
        Ok(state) if state.is_usable() => {
            found.push(Finding::fine("clickhouse schema", state.to_string()));
            Some(())
        }
        Ok(state) => {
            let advice = match state {
                schema::State::Seed => "run `replay-processor schema apply --adopt`",
                schema::State::Newer(_) => "upgrade this process",
                schema::State::Foreign(_) => "rename that table, or mend `database`",
                schema::State::Missing
                | schema::State::Older(_)
                | schema::State::Current
                | schema::State::Next(_) => "run `replay-processor schema apply`",
            };
            found.push(Finding::wrong("clickhouse schema", state.to_string(), advice));
            None
        }
        Err(error) => {
            let advice = "run `replay-processor schema apply`, and grant this user SELECT on the database";
            found.push(Finding::wrong("clickhouse schema", error.to_string(), advice));
            None
        }
    }
}

/// Each right, tried on each table with a statement that touches no row.
async fn rights(server: &Server, found: &mut Vec<Finding>) {
    let database = server.names.database();
    let select = |table: &str, _: bool| format!("SELECT * FROM {} WHERE 0", server.names.table(table));
    let insert = |table: &str, _: bool| {
        let table = server.names.table(table);
        format!("INSERT INTO {table} SELECT * FROM {table} WHERE 0")
    };
    let delete = |table: &str, partitioned: bool| {
        let day = if partitioned { "IN PARTITION '1970-01-01' " } else { "" };
        format!("ALTER TABLE {} DELETE {day}WHERE 0", server.names.everywhere(table))
    };
    type Statement<'a> = &'a (dyn Fn(&str, bool) -> String + Send + Sync);
    let tries: [(&'static str, &str, Statement<'_>); 3] = [
        ("clickhouse select", "SELECT", &select),
        ("clickhouse insert", "INSERT", &insert),
        ("clickhouse delete", "ALTER DELETE", &delete),
    ];
    for (check, right, statement) in tries {
        let mut refusals = Vec::new();
        for (table, partitioned) in TABLES {
            let outcome = server.try_alter(&statement(table, partitioned), check).await;
            let error = match outcome {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => server.classify(&error, Doing::Asking, table),
                Err(error) => error,
            };
            refusals.push(error.to_string());
        }
        let user = &server.settings.user;
        found.push(match refusals.first() {
            None => Finding::fine(check, format!("{user} may {right} on all {} tables", TABLES.len())),
            Some(first) => Finding::wrong(
                check,
                format!("{right} failed on {} of {} tables, first: {first}", refusals.len(), TABLES.len()),
                format!("GRANT {right} ON {database}.* TO {user}"),
            ),
        });
    }
}

/// A mutation that fails is tried by the server for ever, and every later delete waits behind it.
async fn mutations(server: &Server, found: &mut Vec<Finding>) {
    let sql = format!(
        "SELECT count() FROM system.mutations WHERE database = {} AND NOT is_done AND latest_fail_reason != ''",
        text(server.names.database())
    );
    // Who may not look at it can do without.
    if let Ok(stuck @ 1..) = server.row::<u64>("look at mutations", &sql).await {
        found.push(Finding::warning(
            "clickhouse mutations",
            format!("{stuck} deletes fail again and again"),
            "look at latest_fail_reason in system.mutations; KILL MUTATION ends one",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("26.9.2.1").verdict, Verdict::Fine);
        assert_eq!(version("23.12.6.19").verdict, Verdict::Fine);
        assert_eq!(version("24.3.1").verdict, Verdict::Fine);
        assert_eq!(version("23.11.5").verdict, Verdict::Wrong);
        assert_eq!(version("9.99").verdict, Verdict::Wrong);
        assert_eq!(version("unknown").verdict, Verdict::Warning);
    }
}
