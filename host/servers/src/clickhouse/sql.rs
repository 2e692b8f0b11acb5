//! Names and values as ClickHouse's SQL spells them.

use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::row::CopyId;
use replay_core::time::Day;
use replay_core::tombstone::EraseScope;
use uuid::Uuid;

use super::settings::ClickHouseSettings;

/// 2299-12-31T23:59:59.999Z, the last moment of a `DateTime64(3)`, Unix milliseconds.
pub(super) const LAST_MS: u64 = 10_413_791_999_999;

/// The last day of a `Date`, 2149-06-06; later ones wrap around without a word.
pub(super) const LAST_DAY: Day = Day(u16::MAX as u32);

/// Our tables' names in one database.
#[derive(Clone, Debug)]
pub(super) struct Names {
    database: String,
    cluster: Option<String>,
}

impl Names {
    pub(super) fn of(settings: &ClickHouseSettings) -> Self {
        Self { database: settings.database.clone(), cluster: settings.cluster.clone() }
    }

    /// The table to read from and to insert into.
    pub(super) fn table(&self, name: &str) -> String {
        format!("`{}`.`{name}`", self.database)
    }

    /// The table that holds the rows, on every shard: to alter.
    pub(super) fn local(&self, name: &str) -> String {
        let suffix = if self.cluster.is_some() { "_local" } else { "" };
        format!("`{}`.`{name}{suffix}`", self.database)
    }

    /// [`Self::local`] as DDL names it.
    pub(super) fn everywhere(&self, name: &str) -> String {
        format!("{}{}", self.local(name), self.on_cluster())
    }

    /// Empty without a cluster.
    pub(super) fn on_cluster(&self) -> String {
        self.cluster.as_ref().map_or_else(String::new, |cluster| format!(" ON CLUSTER `{cluster}`"))
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }
}

/// A string literal.
pub(super) fn text(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('\'');
    for char in value.chars() {
        match char {
            '\'' => quoted.push_str("\\'"),
            '\\' => quoted.push_str("\\\\"),
            '\0' => quoted.push_str("\\0"),
            _ => quoted.push(char),
        }
    }
    quoted.push('\'');
    quoted
}

/// A moment to compare with; what is beyond every stored moment is as good as the last.
pub(super) fn moment(unix_ms: u64) -> String {
    format!("fromUnixTimestamp64Milli(toInt64({}), 'UTC')", unix_ms.min(LAST_MS))
}

/// A UUID literal.
pub(super) fn uuid(id: Uuid) -> String {
    format!("toUUID('{}')", id.as_hyphenated())
}

/// The session id that stands for none, or for a whole project.
pub(super) const NO_SESSION: Uuid = Uuid::nil();

/// The rows of a session.
pub(super) fn of_session(session: &SessionKey) -> String {
    format!(
        "project_id = {} AND session_id = {}",
        text(session.project_id.as_str()),
        uuid(session.session_id.uuid())
    )
}

/// All of a session or a project, whenever it arrived.
pub(super) fn of_scope(scope: &EraseScope) -> String {
    match scope {
        EraseScope::Session(session) => of_session(session),
        EraseScope::Project(project) => format!("project_id = {}", text(project.as_str())),
    }
}

/// The columns that the tables are sorted by, which is also the order of pages.
pub(super) const SESSION_ORDER: &str = "project_id, UUIDToNum(session_id)";

/// Rows of any of these sessions, by the sorting key.
pub(super) fn among_sessions<'a>(sessions: impl Iterator<Item = &'a SessionKey>) -> String {
    let list: Vec<_> = sessions
        .map(|key| {
            let (project, session) = (text(key.project_id.as_str()), uuid(key.session_id.uuid()));
            format!("({project}, UUIDToNum({session}))")
        })
        .collect();
    format!("({SESSION_ORDER}) IN ({})", list.join(", "))
}

/// Rows behind the last session of a page, of one project or of all.
pub(super) fn after_session(project: Option<&ProjectId>, after: Option<&SessionKey>) -> String {
    let mut conditions = vec!["1".to_owned()];
    if let Some(project) = project {
        conditions.push(format!("project_id = {}", text(project.as_str())));
    }
    if let Some(after) = after {
        let (last, session) = (text(after.project_id.as_str()), uuid(after.session_id.uuid()));
        conditions.push(format!("project_id >= {last}"));
        conditions.push(format!("({SESSION_ORDER}) > ({last}, UUIDToNum({session}))"));
    }
    conditions.join(" AND ")
}

/// The named copies of one day.
pub(super) fn among_copies(day: Day, copies: &[CopyId]) -> String {
    let list: Vec<_> = copies
        .iter()
        .map(|copy| {
            let ChunkKey { timestamp_start_ms, chunk_index } = copy.key;
            format!("({timestamp_start_ms},{chunk_index},{})", copy.content_hash.0)
        })
        .collect();
    format!(
        "chunk_date = '{day}' AND (toUnixTimestamp64Milli(timestamp_start), chunk_index, content_hash) IN ({})",
        list.join(",")
    )
}

/// Reads a stored session.
pub(super) fn session_key(project_id: &str, session_id: Uuid) -> Option<SessionKey> {
    Some(SessionKey { project_id: ProjectId::new(project_id)?, session_id: SessionId::new(session_id)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_its_literal() {
        assert_eq!(text("a'b\\c\0d\n"), "'a\\'b\\\\c\\0d\n'");
    }

    #[test]
    fn a_cluster_has_local_tables() {
        let mut settings = ClickHouseSettings::new("http://ch", "db");
        assert_eq!(Names::of(&settings).everywhere("t"), "`db`.`t`");
        settings.cluster = Some("c-1".into());
        assert_eq!(Names::of(&settings).everywhere("t"), "`db`.`t_local` ON CLUSTER `c-1`");
        assert_eq!(Names::of(&settings).table("t"), "`db`.`t`");
    }
}
