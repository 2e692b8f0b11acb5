//! The config as `promote` leaves it: the service's user can read it as before, and nobody else can.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use replay_tests::service::Service;

use super::{ALL, CARDS, config, sha256};

/// Somebody who is not whoever runs the tests.
const SOMEBODY: u32 = 12_345;

/// A config whose `shop` has a shadow.
fn with_shadow(dir: &Path) -> String {
    let key = "    keys: [pk_live_shop]\n";
    let plugin = format!("{{ name: mask-pii, sha256: {}, config: {{}} }}", sha256("mask-pii"));
    let shadow = format!("{key}    shadow: {{ share: 100, plugins: [{plugin}] }}\n");
    // What other tests have compiled stays.
    let text = config(dir, &[("shop", 1, CARDS), ("clinic", 1, ALL)], "");
    assert!(text.contains(key), "{text}");
    text.replacen(key, &shadow, 1)
}

#[test]
fn a_promoted_config_belongs_to_whom_it_belonged() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::prepare_with(dir.path(), &with_shadow(dir.path()));
    let file = dir.path().join("replay.yaml");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let looks = || {
        let found = std::fs::metadata(&file).unwrap();
        (found.uid(), found.gid(), found.permissions().mode() & 0o777)
    };
    if chown(&file, Some(SOMEBODY), Some(SOMEBODY)).is_err() {
        // Only root gives a file away.
        let before = looks();
        service.ok(&["plugin", "promote", "shop", "--yes"]);
        assert_eq!(looks(), before);
        return;
    }
    service.ok(&["plugin", "promote", "shop", "--yes"]);
    assert_eq!(looks(), (SOMEBODY, SOMEBODY, 0o600));
    let promoted = std::fs::read_to_string(&file).unwrap();
    assert!(promoted.contains("chain_revision: 2") && !promoted.contains("shadow"), "{promoted}");

    // Somebody who may write into the directory, and cannot give the file back to root.
    std::fs::write(&file, with_shadow(dir.path())).unwrap();
    chown(&file, Some(0), Some(0)).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let mut promote = service.command(&["plugin", "promote", "shop", "--yes"]);
    let refused = promote.uid(SOMEBODY).gid(SOMEBODY).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("is left as it is") && said.contains("would not stay 0:0"), "{said}");
    assert_eq!((std::fs::read_to_string(&file).unwrap(), looks()), (with_shadow(dir.path()), (0, 0, 0o644)));
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["replay.yaml"], "nothing is left beside it");
}
