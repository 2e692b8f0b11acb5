//! The tables, by version: what SQL makes them, which version a server has, and bringing it to ours.
//!
//! A version is one SQL file, written for all of plain, replicated and sharded servers (`template`).
//! Every statement can be run again, and the version is noted last: an apply that was cut off is
//! repeated. This build runs on its own version and on the next, so that a rolling upgrade applies
//! the new schema first and then replaces one process after the other: later versions may only add.

mod adopt;
mod seed;
mod template;

use clickhouse::Row;
use replay_ports::{PortError, Result};
use serde::{Deserialize, Serialize};

use super::server::{Server, Wait};
use super::settings::ClickHouseSettings;
use super::sql::{Names, text};

/// The version that this build makes. It also runs on the next.
pub const VERSION: u32 = FILES.len() as u32;

/// One file a version.
const FILES: [&str; 2] = [include_str!("001_replays.sql"), include_str!("002_dead_letters.sql")];

/// What the tables of a server are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No database, no tables, or an apply that was cut off.
    Missing,
    /// Of an older build.
    Older(u32),
    /// Of this build.
    Current,
    /// Of the next build: this one runs on it too.
    Next(u32),
    /// Of a build that is too new for this one.
    Newer(u32),
    /// `replay_chunks` is the table of the first design (plain MergeTree, 16-bit numbers), or its rows
    /// are half moved.
    Seed,
    /// `replay_chunks` is somebody else's: what is wrong with it.
    Foreign(String),
}

impl State {
    /// Whether this build can run on it.
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Current | Self::Next(_))
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => write!(f, "there are no tables yet; run `replay-processor schema apply`"),
            Self::Older(found) => write!(
                f,
                "the tables have version {found}, this build needs {VERSION}; run `replay-processor schema apply`"
            ),
            Self::Current => write!(f, "the tables have version {VERSION}"),
            Self::Next(found) => {
                write!(
                    f,
                    "the tables have version {found}, one more than this build's {VERSION}, which is fine"
                )
            }
            Self::Newer(found) => write!(
                f,
                "the tables have version {found}, and this build runs on {VERSION} and {}; upgrade this process \
                 (`schema apply` never goes back)",
                VERSION + 1
            ),
            Self::Seed => write!(
                f,
                "replay_chunks is the table of the first design (plain MergeTree, 16-bit numbers, no receipt, \
                 no version), which cannot tell copies of a chunk apart; stop its writers and run \
                 `replay-processor schema apply --adopt`, which moves its rows over and keeps the old table"
            ),
            Self::Foreign(why) => write!(
                f,
                "there is a table replay_chunks that is not ours ({why}); rename it, or point `database` \
                 elsewhere, then run `replay-processor schema apply`"
            ),
        }
    }
}

/// What an apply did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was there.
    pub from: State,
    /// What is there now.
    pub version: u32,
    /// What was done, a sentence each; empty when there was nothing to do.
    pub applied: Vec<String>,
    /// Rows of the seed's table that are now in ours.
    pub adopted_rows: u64,
    /// What to know about it.
    pub notes: Vec<String>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.applied.is_empty() {
            write!(f, "nothing to do: the tables have version {}", self.version)?;
        }
        for (at, line) in self.applied.iter().chain(&self.notes).enumerate() {
            write!(f, "{}{line}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// The SQL that makes the tables. Asks no server.
pub fn show(settings: &ClickHouseSettings) -> Result<String> {
    settings.checked()?;
    let names = Names::of(settings);
    let mut sql = format!("{};\n", make_database(&names));
    for (number, file) in (1..).zip(FILES) {
        sql.push('\n');
        sql.push_str(&template::fill(file, settings));
        sql.push_str(&format!(
            "\nINSERT INTO {} (version) VALUES ({number});\n",
            names.table("replay_schema")
        ));
    }
    Ok(sql)
}

/// Which tables are there.
pub async fn state(settings: &ClickHouseSettings) -> Result<State> {
    look(&Server::new(settings)?).await
}

/// Brings the tables to this build's version; with `adopt`, also the rows of a table of the first
/// design. Can be repeated after a failure at any point.
pub async fn apply(settings: &ClickHouseSettings, adopt: bool) -> Result<Report> {
    let server = Server::new(settings)?;
    let from = look(&server).await?;
    let mut report =
        Report { from: from.clone(), version: VERSION, applied: vec![], adopted_rows: 0, notes: vec![] };
    match from {
        State::Current => return Ok(report),
        State::Next(found) => {
            report.version = found;
            return Ok(report);
        }
        State::Newer(_) | State::Foreign(_) => return Err(refused(&server, &from)),
        State::Seed if !adopt => return Err(refused(&server, &from)),
        State::Missing | State::Older(_) | State::Seed => {}
    }
    if from == State::Missing {
        server.alter("make the database", &make_database(&server.names)).await?;
    }
    if from == State::Seed {
        adopt::set_aside(&server, &mut report).await?;
    }
    let first = if let State::Older(found) = from { found + 1 } else { 1 };
    for (number, file) in (1..).zip(FILES).filter(|&(number, _)| number >= first) {
        for statement in template::statements(&template::fill(file, settings)) {
            server.alter(&format!("apply version {number} of the schema"), &statement).await?;
        }
        report.applied.push(format!("applied version {number} of the schema"));
    }
    if from == State::Seed {
        adopt::move_rows(&server, &mut report).await?;
    }
    for number in first..=VERSION {
        let row = NewVersion { version: number };
        server.insert::<NewVersion>("replay_schema", vec![row], Wait::Small).await?;
    }
    Ok(report)
}

/// An error unless this build can run on what is there.
pub(super) async fn require(server: &Server) -> Result<()> {
    let state = look(server).await?;
    if state.is_usable() { Ok(()) } else { Err(refused(server, &state)) }
}

/// [`state`] of a server at hand.
pub(super) async fn look(server: &Server) -> Result<State> {
    let database = text(server.names.database());
    let tables: Vec<String> = server
        .rows(
            "look at the tables",
            &format!("SELECT name FROM system.tables WHERE database = {database} AND name LIKE 'replay\\_%'"),
        )
        .await?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    if has("replay_schema") {
        let sql = format!("SELECT max(version) FROM {}", server.names.table("replay_schema"));
        let found: u32 = server.row("read the version of the schema", &sql).await?;
        if found > 0 {
            return Ok(match found {
                found if found < VERSION => State::Older(found),
                found if found == VERSION => State::Current,
                found if found == VERSION + 1 => State::Next(found),
                found => State::Newer(found),
            });
        }
    }
    if has(seed::SET_ASIDE) {
        return Ok(State::Seed);
    }
    if has("replay_chunks") { seed::recognise(server).await } else { Ok(State::Missing) }
}

fn refused(server: &Server, state: &State) -> PortError {
    PortError::refused(format!("{}: {state}", server.place))
}

fn make_database(names: &Names) -> String {
    format!("CREATE DATABASE IF NOT EXISTS `{}`{}", names.database(), names.on_cluster())
}

#[derive(Row, Serialize, Deserialize)]
struct NewVersion {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_s_statements_are_run_one_by_one() {
        let settings = ClickHouseSettings::new("http://ch:8123", "gosight");
        for (file, tables) in FILES.into_iter().zip([5, 1]) {
            let statements = template::statements(&template::fill(file, &settings));
            assert_eq!(statements.len(), tables);
            assert!(statements.iter().all(|sql| sql.starts_with("CREATE TABLE IF NOT EXISTS")));
        }
    }
}
