//! `doctor` names each thing that is wrong, and what to do about it.

use replay_servers::s3::{S3Settings, examine};
use replay_servers::{Finding, Verdict};
use replay_tests::s3::{Fate, Proxy, Said, TestBucket};
use replay_tests::servers::{S3, S3_KEYS, S3_OTHER, address};

use super::{buckets, first_bucket, settings};

/// What is not as it should be: check and verdict. Each has to say what to do.
fn complaints(findings: &[Finding]) -> Vec<(&'static str, Verdict)> {
    let bad: Vec<_> = findings.iter().filter(|finding| finding.verdict != Verdict::Fine).collect();
    for finding in &bad {
        assert!(!finding.detail.is_empty() && !finding.advice.is_empty(), "{finding:?}");
    }
    assert!(!format!("{findings:?}").contains("SECRET"), "{findings:?}");
    bad.into_iter().map(|finding| (finding.check, finding.verdict)).collect()
}

fn advice_of<'a>(findings: &'a [Finding], check: &str) -> &'a str {
    &findings.iter().find(|finding| finding.check == check).unwrap().advice
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_good_store_there_is_nothing_to_say() {
    for bucket in buckets() {
        let findings = examine(&settings(&bucket.raw.url, &bucket.name)).await;
        assert_eq!(complaints(&findings), [], "{findings:?}");
        assert_eq!(findings.len(), 13, "{findings:?}");
        // Nothing is left of what was tried.
        let listed = bucket.send("GET", "?list-type=2", &[], b"").text();
        assert!(!listed.contains("<Key>"), "{listed}");
        assert_eq!(bucket.uploads(""), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_where_nobody_is() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let findings = examine(&settings(&url, "replays")).await;
    assert_eq!(complaints(&findings), [("s3 address", Verdict::Unreachable)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_be() {
    let findings = examine(&settings("minio:9000", "replays")).await;
    assert_eq!(complaints(&findings), [("s3 settings", Verdict::Wrong)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials() {
    for bucket in buckets() {
        let good = settings(&bucket.raw.url, &bucket.name);
        for (access_key, advice) in [(S3_KEYS.0, "the secret key"), ("nobody", "the access key")] {
            let credentials = Some((access_key.to_owned(), "SECRET-but-wrong".to_owned()));
            let findings = examine(&S3Settings { credentials, ..good.clone() }).await;
            assert_eq!(complaints(&findings), [("s3 credentials", Verdict::Wrong)]);
            assert!(advice_of(&findings, "s3 credentials").contains(advice), "{findings:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_bucket() {
    for url in [S3, S3_OTHER].into_iter().filter_map(address) {
        let missing = settings(&url, "replay-test-there-is-none");
        assert_eq!(complaints(&examine(&missing).await), [("s3 bucket", Verdict::Wrong)]);
        let findings = examine(&S3Settings { create_bucket: true, ..missing }).await;
        assert_eq!(complaints(&findings), [("s3 bucket", Verdict::Warning)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_in_another_region() {
    let Some(url) = address(S3_OTHER) else { return };
    let bucket = TestBucket::make(&url);
    let there = S3Settings { region: Some("eu-west-7".to_owned()), ..settings(&url, &bucket.name) };
    let findings = examine(&there).await;
    assert_eq!(complaints(&findings), [("s3 region", Verdict::Wrong)], "{findings:?}");
    assert!(advice_of(&findings, "s3 region").contains("it is eu-west-7 now"), "{findings:?}");
    let proxy = Proxy::start(&url, |_| {
        let headers = vec![("x-amz-bucket-region", "eu-west-9".to_owned())];
        Fate::Answer(301, headers, "<Error><Code>PermanentRedirect</Code></Error>".to_owned())
    });
    let findings = examine(&settings(&proxy.url, &bucket.name)).await;
    assert_eq!(complaints(&findings), [("s3 region", Verdict::Wrong)]);
    assert!(advice_of(&findings, "s3 region").contains("eu-west-9"), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_rights() {
    type Case = (&'static str, fn(&Said) -> bool);
    let cases: [Case; 5] = [
        ("s3 list", |said| said.method == "GET" && said.target.contains("list-type=2")),
        ("s3 put", |said| said.method == "PUT"),
        ("s3 get", |said| said.method == "GET" && said.target.contains("/.replay-probe/")),
        ("s3 uploads", |said| said.target.contains("uploads")),
        ("s3 delete", |said| said.method == "DELETE" && said.target.contains("versionId=")),
    ];
    for bucket in buckets() {
        for (check, is_denied) in cases {
            let proxy = Proxy::start(&bucket.raw.url, move |said| match is_denied(said) {
                true => Fate::error(403, "AccessDenied"),
                false => Fate::Pass,
            });
            let findings = examine(&settings(&proxy.url, &bucket.name)).await;
            let complaints = complaints(&findings);
            assert_eq!(complaints.first(), Some(&(check, Verdict::Wrong)), "{findings:?}");
            assert!(advice_of(&findings, check).contains("the right s3:"), "{findings:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_versioned_bucket() {
    let Some(bucket) = first_bucket() else { return };
    bucket.keep_versions();
    let findings = examine(&settings(&bucket.raw.url, &bucket.name)).await;
    assert_eq!(complaints(&findings), [("s3 versioning", Verdict::Warning)]);
    assert_eq!(bucket.versions(), [], "what was tried leaves no version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_off() {
    for bucket in buckets() {
        let dated =
            Proxy::start(&bucket.raw.url, |_| Fate::PassDated("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()));
        let findings = examine(&settings(&dated.url, &bucket.name)).await;
        let clock = findings.iter().find(|finding| finding.check == "s3 clock").unwrap();
        assert!(clock.verdict >= Verdict::Warning, "{findings:?}");
        assert!(clock.detail.contains("behind this host's") && clock.advice.contains("NTP"), "{clock:?}");

        let refusing = Proxy::start(&bucket.raw.url, |_| Fate::error(403, "RequestTimeTooSkewed"));
        let findings = examine(&settings(&refusing.url, &bucket.name)).await;
        assert_eq!(complaints(&findings), [("s3 clock", Verdict::Wrong)], "{findings:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_conditions() {
    for bucket in buckets() {
        let proxy = Proxy::start(&bucket.raw.url, |said| {
            said.strip("if-none-match");
            Fate::Pass
        });
        let findings = examine(&settings(&proxy.url, &bucket.name)).await;
        assert_eq!(complaints(&findings), [("s3 conditional writes", Verdict::Warning)]);
    }
}
