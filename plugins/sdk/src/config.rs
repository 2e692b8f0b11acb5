//! A plugin's config, from the JSON that the operator wrote.

use serde::de::DeserializeOwned;

/// Reads a config; `null` and the empty string are read as `{}`.
///
/// The error says where and what, for the operator who wrote it.
pub fn parse_config<C: DeserializeOwned>(json: &str) -> Result<C, String> {
    let given = json.trim();
    let json = if given.is_empty() || given == "null" { "{}" } else { json };
    serde_json::from_str(json).map_err(|error| format!("config: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        #[expect(dead_code, reason = "only parsed")]
        limit: u32,
    }

    #[test]
    fn no_config_is_an_empty_one() {
        assert!(parse_config::<Config>("null").is_ok());
        assert!(parse_config::<Config>(" ").is_ok());
    }

    #[test]
    fn an_error_names_the_option() {
        let error = parse_config::<Config>("{\"limt\": 3}").unwrap_err();
        assert!(error.contains("limt") && error.contains("limit") && error.contains("line 1"), "{error}");
    }
}
