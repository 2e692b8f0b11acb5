//! A promise that no list names would never be tested: each must be in its suite's list.

use std::path::{Path, PathBuf};

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).unwrap();
    entries.flat_map(|entry| sources(&entry.unwrap().path())).collect()
}

#[test]
fn every_promise_is_listed() {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contract");
    for (suite, list) in
        [("hot", "hot/mod.rs"), ("cold.rs", "cold.rs"), ("dead_letters.rs", "dead_letters.rs")]
    {
        let list = std::fs::read_to_string(contract.join(list)).unwrap();
        let mut promises = 0;
        for source in sources(&contract.join(suite)) {
            let text = std::fs::read_to_string(&source).unwrap();
            for line in text.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
                let name = rest.split('(').next().unwrap();
                assert!(list.contains(&format!("    {name},\n")), "{suite} does not list {name}");
                promises += 1;
            }
        }
        assert!(promises > 10, "{suite} has {promises} promises");
    }
}
