//! What is read at the start only is not used by a reload either, though the config says otherwise.

use replay_tests::service::files_with;

use super::{ALL, BY_SIGNAL, CARDS, DONE, REFUSED, Running, config, with_dir};

#[test]
fn revisions_are_remembered_where_they_were_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let of = |revision, chain, data: &str| {
        let text = config(dir.path(), &[("shop", revision, chain), ("clinic", 1, ALL)], BY_SIGNAL);
        text.replacen(
            &format!("{}/data", dir.path().display()),
            &format!("{}/{data}", dir.path().display()),
            1,
        )
    };
    let mut running = Running::start_with(dir.path(), &of(1, CARDS, "data"));
    // Where nothing is remembered, another chain under the same number would be as good as any.
    running.reload(&of(1, ALL, "elsewhere"), REFUSED);
    running.service.wait_until("it says why", |service| service.log().contains("raise it to 2"));
    running.reload(&of(2, ALL, "elsewhere"), DONE);
    running.service.wait_until("embedded needs a restart", |_| running.times_said("need a restart") == 1);
    let chains = std::fs::read_to_string(dir.path().join("data/chains.json")).unwrap();
    assert!(chains.contains("mask-inputs"), "{chains}");
    assert!(!dir.path().join("elsewhere").exists());
    running.rewrite(&of(2, ALL, "data"));
    assert!(!running.stores_addresses("shop"));
    assert_eq!(running.service.stop().0, Some(0));
}

#[test]
fn letters_hold_what_the_start_said() {
    let dir = tempfile::tempdir().unwrap();
    let of = |payload: &str| {
        let text = with_dir(dir.path(), "reject", BY_SIGNAL);
        let letters = format!("dead_letters: {{ kind: table, payload: {payload} }}\n");
        text.replacen("dead_letters: { kind: table }\n", &letters, 1)
    };
    let mut running = Running::start_with(dir.path(), &of("reference"));
    running.reload(&of("include"), DONE);
    let is_in_a_letter = |running: &Running| {
        let (_, stranger) = running.chunk("stranger");
        let before = running.service.metric("replay_records_received_total", "") as u64;
        running.ingest(&stranger);
        running.service.wait_settled(before + 1);
        let found = files_with(&dir.path().join("data"), stranger.record().as_bytes());
        assert!(!found.is_empty(), "the source has it");
        found.iter().any(|path| path.to_string_lossy().contains("dead.sqlite"))
    };
    assert!(!is_in_a_letter(&running));
    assert_eq!(running.service.stop().0, Some(0));
    running.service.run();
    assert!(is_in_a_letter(&running));
    assert_eq!(running.service.stop().0, Some(0));
}
