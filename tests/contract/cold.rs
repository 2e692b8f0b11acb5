//! Every cold store keeps every promise of its port.

use std::sync::Arc;

use replay_embedded::dir::DirCold;
use replay_ports::ColdStore;
use tempfile::TempDir;

async fn open_dir() -> Option<(Arc<dyn ColdStore>, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let store = DirCold::open(&folder.path().join("cold")).unwrap();
    Some((Arc::new(store), folder))
}

mod dir {
    replay_tests::cold_contract!(crate::cold::open_dir);
}
