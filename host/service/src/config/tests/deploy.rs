//! The files for a deployment: they parse, agree with one another, and name what the code has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::config::{Settings, Source};

const METRICS: &str = include_str!("../../observe/metrics.rs");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/deploy")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every document of a YAML file.
fn documents(name: &str) -> Vec<Json> {
    serde_saphyr::from_multiple(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The object of this kind and name.
fn object<'a>(all: &'a [Json], kind: &str) -> &'a Json {
    all.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// The config that a deployment runs on, with what its platform puts around it.
fn settings(yaml: &str) -> Settings {
    let tokens = tempfile::NamedTempFile::new().unwrap();
    let tokens = tokens.path().display().to_string();
    let env = BTreeMap::from([
        ("MINIO_ROOT_USER", "user".to_owned()),
        ("MINIO_ROOT_PASSWORD", "password".to_owned()),
        ("REPLAY_TOKENS_FILE", tokens),
    ]);
    let lookup = |name: &str| env.get(name).cloned();
    Settings::parse("replay.yaml", yaml.as_bytes(), &lookup).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_file_is_yaml() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if name.ends_with(".yaml") {
            assert!(!documents(&name).is_empty(), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn the_config_of_a_deployment_is_good_and_reads_its_addresses() {
    let yaml = text("replay.yaml");
    let settings = settings(&yaml);
    assert!(matches!(settings.source, Source::Kafka(_)));
    for variable in ["KAFKA_BROKERS", "CLICKHOUSE_URL", "CLICKHOUSE_PASSWORD", "MINIO_ENDPOINT"] {
        assert!(yaml.contains(&format!("${{{variable}:-")), "{variable}");
    }
}

#[test]
fn kubernetes_runs_that_config() {
    let all = documents("kubernetes.yaml");
    assert_eq!(object(&all, "ConfigMap")["data"]["replay.yaml"], text("replay.yaml"));
}

#[test]
fn the_platform_waits_longer_than_the_service_does() {
    let deadline = settings(&text("replay.yaml")).limits.shutdown_deadline.as_secs();
    let all = documents("kubernetes.yaml");
    let pod = &object(&all, "Deployment")["spec"]["template"]["spec"];
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > deadline);
    let compose = documents("compose.yaml");
    let grace = compose[0]["services"]["replay-processor"]["stop_grace_period"].as_str().unwrap();
    assert!(grace.trim_end_matches('s').parse::<u64>().unwrap() > deadline, "{grace}");
}

#[test]
fn pods_are_confined_and_probed() {
    let all = documents("kubernetes.yaml");
    let deployment = object(&all, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(object(&all, "PodDisruptionBudget")["spec"]["minAvailable"], 1);
    for kind in ["Deployment", "Job"] {
        let pod = &object(&all, kind)["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{kind}");
        let container = &pod["containers"][0];
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{kind}");
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false, "{kind}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{kind}");
    }
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
}

#[test]
fn compose_confines_the_service_and_listens_on_loopback() {
    let compose = &documents("compose.yaml")[0];
    assert_eq!(compose["services"]["replay-processor"]["read_only"], true);
    let mut ports = 0;
    for (name, service) in compose["services"].as_object().unwrap() {
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
            ports += 1;
        }
    }
    assert_eq!(ports, 6);
    for name in ["kafka", "clickhouse", "minio"] {
        assert!(compose["services"][name]["healthcheck"].is_object(), "{name}");
    }
}

/// What looks like a metric of ours in a Prometheus expression.
fn metrics_of(expression: &str) -> Vec<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("replay_")).collect()
}

#[test]
fn alerts_ask_for_metrics_that_there_are() {
    let alerts = &documents("alerts.yaml")[0];
    let mut asked = 0;
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        for metric in metrics_of(rule["expr"].as_str().unwrap()) {
            assert!(METRICS.contains(&format!("\"{metric}\"")), "{name} asks for {metric}");
            asked += 1;
        }
        assert!(rule["annotations"]["summary"].is_string(), "{name}");
        assert!(text("README.md").contains(&format!("`{name}`")), "{name} is not in the README");
    }
    assert!(asked >= 10, "{asked}");
}
