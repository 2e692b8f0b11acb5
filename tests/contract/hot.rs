//! Every hot store keeps every promise of its port.

use std::sync::Arc;

use replay_embedded::sqlite::{SqliteHot, SqliteSettings};
use replay_ports::HotStore;
use tempfile::TempDir;

async fn open_sqlite() -> Option<(Arc<dyn HotStore>, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteHot::open(&folder.path().join("replays.sqlite"), &SqliteSettings::default()).unwrap();
    Some((Arc::new(store), folder))
}

mod sqlite {
    replay_tests::hot_contract!(crate::hot::open_sqlite);
}

#[cfg(feature = "servers")]
mod clickhouse {
    replay_tests::hot_contract!(crate::clickhouse::open_hot);
}
