//! Every store of dead letters keeps every promise of its port.

use std::sync::Arc;

use replay_embedded::sqlite::{SqliteDeadLetters, SqliteSettings};
use replay_ports::DeadLetters;
use tempfile::TempDir;

async fn open_sqlite() -> Option<(Arc<dyn DeadLetters>, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.sqlite");
    let store = SqliteDeadLetters::open(&path, &SqliteSettings::default()).unwrap();
    Some((Arc::new(store), folder))
}

mod sqlite {
    replay_tests::dead_letters_contract!(crate::dead_letters::open_sqlite);
}
