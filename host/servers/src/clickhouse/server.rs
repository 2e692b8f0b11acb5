//! One ClickHouse: every request to it goes through here, with a bound on its time and on their number.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clickhouse::error::Error;
use clickhouse::{Client, Row, RowOwned, RowRead, RowWrite};
use replay_ports::{PortError, Result};
use tokio::sync::{OnceCell, Semaphore};

use super::failure::{self, Doing};
use super::settings::ClickHouseSettings;
use super::sql::Names;

/// A server, a database, a user.
pub(super) struct Server {
    pub(super) settings: ClickHouseSettings,
    pub(super) names: Names,
    /// For messages.
    pub(super) place: String,
    bare: Client,
    client: OnceCell<Client>,
    permits: Semaphore,
}

impl Server {
    pub(super) fn new(settings: &ClickHouseSettings) -> Result<Self> {
        settings.checked()?;
        let mut bare = Client::default().with_url(&settings.url).with_user(&settings.user);
        if let Some(password) = &settings.password {
            bare = bare.with_password(password);
        }
        Ok(Self {
            settings: settings.clone(),
            names: Names::of(settings),
            place: settings.place(),
            bare,
            client: OnceCell::new(),
            permits: Semaphore::new(settings.max_requests),
        })
    }

    /// The rows that a query answers with.
    pub(super) async fn rows<T: RowOwned + RowRead>(&self, tried: &str, sql: &str) -> Result<Vec<T>> {
        let client = self.client().await?;
        self.within(self.settings.request_timeout, Doing::Asking, tried, client.query_raw(sql).fetch_all())
            .await
    }

    /// Like [`Self::rows`], with the server's own error for the caller to look at.
    pub(super) async fn try_rows<T: RowOwned + RowRead>(
        &self,
        sql: &str,
        tried: &str,
    ) -> Result<std::result::Result<Vec<T>, Error>> {
        let query = self.client().await?.query_raw(sql);
        let _permit = self.permit().await?;
        match tokio::time::timeout(self.settings.request_timeout, query.fetch_all()).await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(failure::timed_out(&self.place, tried)),
        }
    }

    /// The one row that a query answers with.
    pub(super) async fn row<T: RowOwned + RowRead>(&self, tried: &str, sql: &str) -> Result<T> {
        let found = self.rows(tried, sql).await?;
        let none = || PortError::unavailable(format!("{}: {tried}: an empty answer", self.place));
        found.into_iter().next().ok_or_else(none)
    }

    /// Like [`Self::rows`], and sees what every quorum has acknowledged.
    pub(super) async fn settled_rows<T: RowOwned + RowRead>(&self, tried: &str, sql: &str) -> Result<Vec<T>> {
        let mut query = self.client().await?.query_raw(sql);
        if self.settings.replicated {
            query = query.with_setting("select_sequential_consistency", "1");
        }
        self.within(self.settings.request_timeout, Doing::Asking, tried, query.fetch_all()).await
    }

    /// A statement that changes tables or rewrites parts, waited for on every replica.
    pub(super) async fn alter(&self, tried: &str, sql: &str) -> Result<()> {
        self.try_alter(sql, tried).await?.map_err(|error| self.classify(&error, Doing::Asking, tried))
    }

    /// Like [`Self::alter`], with the server's own error for the caller to look at.
    pub(super) async fn try_alter(&self, sql: &str, tried: &str) -> Result<std::result::Result<(), Error>> {
        let query = self.client().await?.query_raw(sql);
        let wait = self.settings.mutation_timeout;
        let query = query
            .with_setting("mutations_sync", "2")
            .with_setting("alter_sync", "2")
            .with_setting("distributed_ddl_task_timeout", wait.as_secs().to_string());
        let _permit = self.permit().await?;
        match tokio::time::timeout(wait, query.execute()).await {
            Ok(answer) => Ok(answer),
            Err(_) => Err(failure::timed_out(&self.place, tried)),
        }
    }

    /// Writes rows in one `INSERT`, durably.
    pub(super) async fn insert<R: Row + RowWrite>(
        &self,
        table: &str,
        rows: Vec<R::Value<'_>>,
        wait: Wait,
    ) -> Result<()> {
        let client = self.client().await?;
        let (limit, quorum) = match wait {
            Wait::Batch => (self.settings.insert_timeout, false),
            Wait::Small => (self.settings.request_timeout, false),
            Wait::Quorum => (self.settings.request_timeout, self.settings.replicated),
        };
        let work = async {
            let mut insert = client.insert_unescaped::<R>(&self.names.table(table)).await?;
            if quorum {
                let quorum = match self.settings.insert_quorum {
                    0 => "auto".to_owned(),
                    replicas => replicas.to_string(),
                };
                insert =
                    insert.with_setting("insert_quorum", quorum).with_setting("insert_quorum_parallel", "0");
            }
            for row in &rows {
                insert.write(row).await?;
            }
            insert.end().await
        };
        let outcome = self.within(limit, Doing::Writing, &format!("insert into {table}"), work).await;
        if matches!(outcome, Err(PortError::Refused { .. })) {
            // The columns may have changed under us: look again next time.
            client.clear_cached_metadata().await;
        }
        outcome
    }

    pub(super) fn classify(&self, error: &Error, doing: Doing, tried: &str) -> PortError {
        failure::classify(error, doing, &self.place, tried)
    }

    /// A stored value that this build never writes.
    pub(super) fn unreadable(&self, column: &str) -> PortError {
        PortError::refused(format!(
            "{} holds a {column} that this build cannot read; was it written by a newer one?",
            self.place
        ))
    }

    async fn within<T>(
        &self,
        limit: Duration,
        doing: Doing,
        tried: &str,
        work: impl Future<Output = std::result::Result<T, Error>>,
    ) -> Result<T> {
        let _permit = self.permit().await?;
        match tokio::time::timeout(limit, work).await {
            Ok(answer) => answer.map_err(|error| self.classify(&error, doing, tried)),
            Err(_) => Err(failure::timed_out(&self.place, tried)),
        }
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        self.permits.acquire().await.map_err(|_| PortError::unavailable("the store is closing"))
    }

    /// The client with the settings of every request, made at the first one: some exist only in some
    /// servers, and an unknown one is an error there.
    async fn client(&self) -> Result<&Client> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Client> {
        let sql = "SELECT name FROM system.settings WHERE name IN ('deduplicate_insert', 'lightweight_deletes_sync')";
        let known = self.bare.query_raw(sql).fetch_all::<String>();
        let known =
            self.within(self.settings.request_timeout, Doing::Asking, "look at the server", known).await;
        let known = match known {
            // Some servers let nobody look at their settings; who may not ask at all hears it next.
            Err(PortError::Refused { .. }) => Vec::new(),
            known => known?,
        };
        let mut client = self
            .bare
            .clone()
            .with_setting("max_query_size", (4 << 20).to_string())
            // An insert is answered when its rows are stored, not when they are queued.
            .with_setting("async_insert", "0")
            // Identity makes copies one, not the bytes of a block: what was deleted may come again.
            .with_setting("insert_deduplicate", "0");
        for (name, value) in [("deduplicate_insert", "disable"), ("lightweight_deletes_sync", "2")] {
            if known.iter().any(|known| known == name) {
                client = client.with_setting(name, value);
            }
        }
        if self.settings.cluster.is_some() {
            client = client
                .with_setting("insert_distributed_sync", "1")
                .with_setting("distributed_product_mode", "local");
        }
        Ok(client)
    }
}

/// A server whose schema was looked at before anything else is asked of it.
pub(super) struct Store {
    server: Server,
    schema_is_fine: OnceCell<()>,
}

impl Store {
    pub(super) fn new(settings: &ClickHouseSettings) -> Result<Self> {
        Ok(Self { server: Server::new(settings)?, schema_is_fine: OnceCell::new() })
    }

    pub(super) async fn ready(&self) -> Result<&Server> {
        self.schema_is_fine.get_or_try_init(|| super::schema::require(&self.server)).await?;
        Ok(&self.server)
    }
}

/// How long an insert may take, and who must have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// As a batch of chunks may.
    Batch,
    /// As a small request may.
    Small,
    /// As a small request may, on a quorum of replicas.
    Quorum,
}

/// Unix nanoseconds now; never the same twice in one process, nor less than before.
pub(super) fn stamp() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let later = |last: u64| Some(now.max(last + 1));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).unwrap_or_default();
    now.max(last + 1)
}

/// Unix milliseconds now.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
