//! The versions of everything that `services` installs: `tests/services/versions.env` and nothing else.

const VERSIONS: &str = include_str!("../../../services/versions.env");

/// The version under this name.
pub(super) fn version(name: &str) -> Result<&'static str, String> {
    all()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .ok_or_else(|| format!("tests/services/versions.env has no `{name}`"))
}

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    VERSIONS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{all, version};

    /// Services of compose.yaml that are ours to build, not to pin.
    const OURS: &str = "image: replay-processor";

    #[test]
    fn every_version_is_one_that_stays() {
        assert!(all().count() >= 10);
        for (name, value) in all() {
            assert!(value.chars().any(|c| c.is_ascii_digit()), "{name}={value}");
            assert!(!value.contains("latest"), "{name}={value}");
        }
        assert!(version("NO_SUCH_SERVER").is_err());
    }

    #[test]
    fn compose_runs_the_same_versions() {
        let path = crate::shell::root().join("config/deploy/compose.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        let mut images: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("image:") && !line.starts_with(OURS))
            .map(|line| line.trim_start_matches("image:").trim())
            .collect();
        images.sort_unstable();
        images.dedup();
        let mut pinned: Vec<&str> =
            all().filter(|(name, _)| name.starts_with("IMAGE_")).map(|(_, image)| image).collect();
        pinned.sort_unstable();
        assert_eq!(images, pinned);
        // One version of Kafka, however it runs.
        assert!(version("IMAGE_KAFKA").unwrap().ends_with(version("KAFKA").unwrap()));
        assert!(version("IMAGE_VERSITYGW").unwrap().ends_with(version("VERSITYGW").unwrap()));
    }
}
