//! What a running service takes of a rewritten config.

use crate::config::{Plugins, Settings};

/// A config as it is put in force: all that `Settings::other_parts` names is as it was at the start. What
/// remembers the chains' numbers, keeps components and bounds them stays where it is: with another memory,
/// two chains could run under one number.
pub(super) fn of(settings: &Settings, started_with: &Settings) -> Settings {
    let (new, start) = (settings.clone(), started_with.clone());
    let plugins = Plugins {
        dir: new.plugins.dir,
        registries: new.plugins.registries,
        s3: new.plugins.s3,
        kept_bytes: new.plugins.kept_bytes,
        ..start.plugins.clone()
    };
    let mut taken = start;
    taken.plugins = plugins;
    taken.plugin_places = new.plugin_places;
    taken.registry_s3 = new.registry_s3;
    taken.tenants = new.tenants;
    taken
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_needs_a_restart_stays_what_it_was() {
        let parse = |text: &str| Settings::parse("test", text.as_bytes(), &|_| None).unwrap();
        let stores = "source: {kind: local}\nhot: {kind: sqlite}\ncold: {kind: none}\n";
        let start = parse(stores);
        let tenants = "tenants: {defaults: {plugins: []}, shop: {keys: [k]}}";
        let new = parse(&format!(
            "{stores}{tenants}\nembedded: {{dir: elsewhere}}\ndead_letters: {{payload: reference}}\n\
             replay: {{migration: {{day_length: 1h}}}}\nlimits: {{workers: 1}}\nreload: {{watch: false}}\n\
             plugins: {{dir: new, cache_dir: other, kept_bytes: 1MiB, registries: [./shelf], \
             s3: {{endpoint: 'm:1'}}, limits: {{time_per_batch: 9s, component_bytes: 1KiB}}}}\n"
        ));
        assert!(start.other_parts(&new).len() >= 5);
        let taken = of(&new, &start);
        assert_eq!(start.other_parts(&taken), Vec::<&str>::new());
        assert_eq!((&taken.plugins.dir, taken.plugins.kept_bytes), (&PathBuf::from("new"), 1 << 20));
        assert_eq!(taken.plugin_places, new.plugin_places);
        assert_eq!(taken.tenants.listed.len(), 1);
    }
}
