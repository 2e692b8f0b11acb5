//! `tenants.dir`: files of tenants' own, and reports over all of them together.

use std::path::Path;

use replay_core::identity::ProjectId;

use super::{BASE, parse};
use crate::config::{ConfigErrors, Settings};

const PIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Reads a config with these files in its directory; `tenants` and `more` are lines of the config.
fn read(files: &[(&str, &str)], tenants: &str, more: &str) -> Result<Settings, ConfigErrors> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    parse(&text(dir.path(), tenants, more))
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

fn text(dir: &Path, tenants: &str, more: &str) -> String {
    format!("{BASE}{more}tenants:\n  defaults: {{plugins: []}}\n  dir: {}\n{tenants}", dir.display())
}

/// File (without its directory), line, column and words of each problem.
fn problems(errors: &ConfigErrors) -> Vec<(String, usize, usize, String)> {
    let name = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
    let at = |place: Option<usize>| place.unwrap_or(0);
    let all = errors.problems().iter();
    all.map(|p| (name(&p.file), at(p.line), at(p.column), format!("{} → {}", p.message, p.help))).collect()
}

#[track_caller]
fn one(files: &[(&str, &str)], tenants: &str, place: (&str, usize, usize), words: &[&str]) {
    let errors = read(files, tenants, "").unwrap_err();
    let found = problems(&errors);
    assert_eq!(found.len(), 1, "{errors}");
    let (file, line, column, said) = &found[0];
    assert_eq!((file.as_str(), *line, *column), place, "{said}");
    words.iter().for_each(|word| assert!(said.contains(word), "{word:?} is not in {said:?}"));
}

#[test]
fn files_are_tenants_like_any_other() {
    let chain = format!(
        "keys: [pk_shop]\nchain_revision: 3\nhot_retention_days: ${{MINIO_DAYS:-7}}\n\
         plugins:\n  - {{name: mask, sha256: {PIN}, config: {{n: '${{NOT}}x'}}}}\n"
    );
    let files = [("shop.eu.yaml", &*chain), ("blog.yaml", "{}"), (".hidden", ":"), (".x.yaml.swp", "[")];
    let settings = read(&files, "  clinic: {keys: [pk_clinic]}\n", "").unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<&str> = settings.tenants.listed.keys().map(ProjectId::as_str).collect();
    assert_eq!(names, ["blog", "clinic", "shop.eu"]);
    let id = ProjectId::new("shop.eu").unwrap();
    let shop = settings.tenants.of(&id).unwrap();
    assert_eq!((shop.chain_revision, shop.hot_retention_days, shop.plugins.len()), (3, 7, 1));
    assert_eq!(shop.plugins[0].config["n"], "${NOT}x", "variables are the plugin's own");
    assert_eq!(settings.tenants.by_key("pk_shop"), Some(&id));
    let shown = settings.describe().join("\n");
    assert!(shown.contains("tenants: 3 listed here and in /"), "{shown}");
}

#[test]
fn all_mistakes_of_all_files_are_said_at_once() {
    let files = [
        ("a.yaml", "keys: [k]\nplugns: []\nhot_retention_days: 0\n"),
        ("b.yaml", "plugins:\n  - {name: m, sha256: 12}\n"),
        ("c.yaml", "keys: [\n"),
        ("d.yml", "{}"),
    ];
    let errors = read(&files, "  e: {cold_retention_days: x}\n", "").unwrap_err();
    let found: Vec<_> =
        problems(&errors).into_iter().map(|(file, line, column, _)| (file, line, column)).collect();
    let place = |file: &str, line, column| (file.to_owned(), line, column);
    for wanted in [
        place("replay.yaml", 7, 28),
        place("a.yaml", 2, 1),
        place("a.yaml", 3, 21),
        place("b.yaml", 2, 23),
        place("d.yml", 0, 0),
    ] {
        assert!(found.contains(&wanted), "{wanted:?} is not in {found:?}");
    }
    assert!(found.iter().any(|(file, line, _)| file == "c.yaml" && *line > 0), "{found:?}");
    let report = errors.to_string();
    assert!(report.contains("a.yaml:3:21") && report.contains("replay.yaml, 5 files:"), "{report}");
}

#[test]
fn a_tenant_and_a_key_are_in_one_place() {
    one(&[("shop.yaml", "{}")], "  shop: {}\n", ("shop.yaml", 1, 1), &["`shop`", "too", "keep one"]);
    one(
        &[("shop.yaml", "hot_retention_days: 3\nkeys: [k]\n")],
        "  blog: {keys: [k]}\n",
        ("shop.yaml", 2, 7),
        &["`k` of `shop` is also a key of `blog`"],
    );
}

#[test]
fn names_are_checked() {
    for name in ["shop.yml", "shop", "shop.yaml~", "a b.yaml", "-x.yaml"] {
        one(&[(name, "{}")], "", (name, 0, 0), &["is not named like a tenant's file", "<project id>.yaml"]);
    }
    for name in ["defaults.yaml", "retired.yaml", "dir.yaml", "unlisted.yaml"] {
        one(&[(name, "{}")], "", (name, 0, 0), &["is a key of `tenants`"]);
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub.yaml")).unwrap();
    let errors = parse(&text(dir.path(), "", "")).unwrap_err();
    assert!(errors.to_string().contains("is not a file"), "{errors}");
}

#[test]
fn what_is_half_written_is_refused() {
    for empty in ["", "\n", "# soon\n", "---\n", "~\n"] {
        one(&[("shop.yaml", empty)], "", ("shop.yaml", 1, 1), &["the file is empty", "`{}`"]);
    }
}

#[test]
fn the_number_is_bounded() {
    let files = [("a.yaml", "{}"), ("b.yaml", "{}")];
    let most = |most: u32| format!("limits: {{max_tenants: {most}}}\n");
    assert!(read(&files, "", &most(2)).is_ok());
    let report = read(&files, "", &most(1)).unwrap_err().to_string();
    assert!(report.contains("tenants.dir") && report.contains("limits.max_tenants (1)"), "{report}");
    let report = read(&files, "  c: {}\n", &most(2)).unwrap_err().to_string();
    assert!(report.contains("3 tenants are listed, 2 may be"), "{report}");
}

#[test]
fn a_directory_that_is_not_there_is_said() {
    let errors = parse(&text(Path::new("/no/where"), "", "")).unwrap_err();
    let found = problems(&errors);
    assert_eq!((found.len(), found[0].1, found[0].2), (1, 6, 8), "{errors}");
}

#[test]
fn the_digest_follows_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let digest = || parse(&text(dir.path(), "", "")).unwrap().digest;
    write(dir.path(), &[("a.yaml", "{}")]);
    let first = digest();
    assert_eq!(first, digest());
    write(dir.path(), &[("a.yaml", "{ }")]);
    assert_ne!(first, digest());
    write(dir.path(), &[("a.yaml", "{}"), ("b.yaml", "{}")]);
    assert_ne!(first, digest());
    std::fs::remove_file(dir.path().join("b.yaml")).unwrap();
    assert_eq!(first, digest());
}
