//! A script in a real chain, judged by the bytes that the service stored.

use std::path::Path;

use replay_tests::canaries::{Canary, Found, canaries, everything_below, search};
use replay_tests::plugins::sha256_of;
use replay_tests::records::{recorded, visits};
use replay_tests::service::{FAST, Service};

use crate::guests::{Language, components, load, mask_basics, sandbox, target};

/// A config whose tenants have a chain of that one plugin, of that class.
fn config(dir: &Path, plugin: &str, class: &str) -> String {
    let chain = format!(
        "[{{ name: {plugin}, sha256: {sha256}, {class}config: {{}} }}]",
        sha256 = sha256_of(&components().join(format!("{plugin}.wasm")))
    );
    format!(
        "source: {{ kind: local }}\nhot: {{ kind: sqlite }}\ncold: {{ kind: dir }}\n\
         dead_letters: {{ kind: table }}\nembedded: {{ dir: {data} }}\napi: {{ listen: \"127.0.0.1:0\" }}\n\
         plugins:\n  dir: {components}\n  cache_dir: {cache}\n  \
           script_limits: {{ time_per_batch: 1m, configure_time: 1m, compile_time: 10m }}\n\
         tenants:\n  defaults: {{ plugins: [] }}\n  \
           shop: {{ chain_revision: 1, plugins: {chain} }}\n  \
           clinic: {{ chain_revision: 1, plugins: {chain} }}\n{FAST}",
        data = dir.join("data").display(),
        components = components().display(),
        cache = target().join("plugin-cache").display(),
    )
}

/// What is split over elements is found by the Rust SDK alone.
fn is_for_it(canary: &Canary) -> bool {
    matches!(canary.rule.as_str(), "mask-pii:email" | "mask-pii:card") && !canary.id.contains("-split-")
}

#[test]
fn recorded_visits_lose_their_addresses_and_cards() {
    for language in Language::ALL.into_iter().filter(|language| language.is_here()) {
        let component = mask_basics(language);
        // The service waits for a compiler; a test should know that it is one.
        load(&sandbox(|_| {}), &component, "{}");
        let name = component.file_stem().unwrap().to_str().unwrap().to_owned();
        let dir = tempfile::tempdir().unwrap();
        let mut service = Service::prepare_with(dir.path(), &config(dir.path(), &name, "class: script, "));
        service.run();
        let lines: Vec<String> =
            visits().iter().flat_map(|(project, visit, ..)| recorded(project, visit)).collect();
        let fed = service.feed(&["ingest", "-"], lines.join("\n").as_bytes());
        assert!(fed.status.success(), "{}", String::from_utf8_lossy(&fed.stderr));
        service.wait_settled(lines.len() as u64);
        assert_eq!(service.metric("replay_plugin_failures_total", ""), 0.0, "{}", service.log());
        assert!(service.metric("replay_redacted_fields_total", "") > 100.0);

        let mut texts = everything_below(&service.dir.join("data"), &["log"]);
        for (project, visit, session, _) in visits() {
            let exported = service.ok(&["session", "export", &project, &session]);
            let visit = format!("{project}/{visit}");
            texts.push(Found::new(format!("export of {visit}"), &exported).of_visit(visit));
        }
        texts.push(Found::new("stderr", &service.log()));
        let (wanted, others): (Vec<Canary>, Vec<Canary>) = canaries().into_iter().partition(is_for_it);
        assert!(wanted.len() > 35, "{}", wanted.len());
        let hits = search(&wanted, &texts);
        assert!(hits.is_empty(), "{language:?}: {} hits:\n{}", hits.len(), hits.join("\n"));
        // The search finds what there is.
        assert!(search(&others, &texts).iter().any(|hit| hit.starts_with("console-token")));
    }
}

#[test]
fn a_script_that_the_operator_did_not_call_one_is_refused() {
    for language in Language::ALL.into_iter().filter(|language| language.is_here()) {
        let component = mask_basics(language);
        let name = component.file_stem().unwrap().to_str().unwrap().to_owned();
        let dir = tempfile::tempdir().unwrap();
        let service = Service::prepare_with(dir.path(), &config(dir.path(), &name, ""));
        let output = service.cli(&["run"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(&name) && said.contains("`class: script`"), "{said}");
    }
}
