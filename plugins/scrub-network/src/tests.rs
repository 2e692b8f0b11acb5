//! What is left of requests.

use replay_plugin::memory::{MemoryChunk, run_in_memory};
use replay_plugin::parse_config;

use super::*;

fn plugin(config: &str) -> Result<ScrubNetwork, String> {
    ScrubNetwork::configure(parse_config(config)?)
}

fn texts(config: &str, chunk: MemoryChunk) -> Vec<String> {
    run_in_memory(&plugin(config).unwrap(), &[chunk]).unwrap().remove(0).unwrap()
}

const HEADERS: [(&str, &str); 4] =
    [("Accept", "*/*"), ("Authorization", "Bearer x"), ("cookie", "sid=1"), ("X-Trace", "7")];

#[test]
fn by_default_secret_headers_bodies_and_queries_go() {
    let chunk = MemoryChunk::new().request(
        &[
            ("name", "https://x.io/api?q=ann&page=2"),
            ("method", "POST"),
            ("initiatorType", "fetch"),
            ("requestBody", "{\"user\":\"ann\"}"),
            ("responseBody", "user"),
            ("user", "ann"),
            ("name", "Ann"),
            ("method", "by phone"),
        ],
        &HEADERS,
    );
    let wanted = [
        "https://x.io/api?q=***&page=*",
        "POST",
        "fetch",
        "",
        "",
        "",
        "",
        "",
        "Accept",
        "*/*",
        "X-Trace",
        "7",
    ];
    assert_eq!(texts("{}", chunk), wanted);
}

#[test]
fn headers_by_list() {
    let chunk = || MemoryChunk::new().request(&[("url", "/a")], &HEADERS);
    assert_eq!(texts(r#"{"allow_headers": ["accept"]}"#, chunk()), ["/a", "Accept", "*/*"]);
    assert_eq!(
        texts(r#"{"drop_headers": ["x-TRACE"]}"#, chunk()),
        ["/a", "Accept", "*/*", "Authorization", "Bearer x", "cookie", "sid=1"]
    );
    // A body that is called as a secret header is cleared, too.
    let chunk = MemoryChunk::new().request(&[("cookie", "sid=1")], &[]);
    assert_eq!(texts(r#"{"bodies": "keep"}"#, chunk), [""]);
}

#[test]
fn headers_as_a_list_of_objects() {
    let network = |name: &'static str, text: &'static str| (Kind::Network, 0, 0, name, text);
    let list = |header: &'static str, value: &'static str| {
        [
            network("requestHeaders", "name"),
            network("name", header),
            network("requestHeaders", "value"),
            network("value", value),
        ]
    };
    let fields =
        [&list("accept", "*/*")[..], &list("cookie", "sid=1"), &[network("requestBody", "ann")]].concat();
    let chunk = MemoryChunk::new().fields(&fields);
    // In memory these belong to no header, so that what would leave is cleared.
    assert_eq!(texts("{}", chunk), ["name", "accept", "value", "*/*", "name", "", "", "", ""]);
}

#[test]
fn requests_by_address() {
    let config = r#"{"drop_requests": ["/api/login*", "*/payments/*", "https://ads.io/**"]}"#;
    for (url, leaves) in [
        ("https://x.io/api/login?u=ann", true),
        ("/api/%6Cogin", true),
        ("https://x.io/v1/payments/7", true),
        ("https://ads.io/a?b", true),
        ("https://x.io/ads.io/a", false),
        ("/api/items", false),
    ] {
        let chunk = MemoryChunk::new().request(&[("name", url), ("method", "GET")], &[]);
        assert_eq!(texts(config, chunk).is_empty(), leaves, "{url}");
    }
}

#[test]
fn bodies_masked_or_kept() {
    let chunk = || MemoryChunk::new().request(&[("requestBody", "user ann")], &[]);
    assert_eq!(texts(r#"{"bodies": "mask", "mask_char": "x"}"#, chunk()), ["xxxx xxx"]);
    assert_eq!(texts(r#"{"bodies": "keep"}"#, chunk()), ["user ann"]);
}

#[test]
fn queries_where_they_are_asked_for() {
    let chunk = || {
        MemoryChunk::new()
            .field(Kind::Url, 0, "href", "https://x.io/?a=1#t=2")
            .field(Kind::Url, 7, "href", "https://x.io/?b=1")
            .request(&[("name", "/c?c=1")], &[])
    };
    assert_eq!(texts("{}", chunk()), ["https://x.io/?a=*#t=*", "https://x.io/?b=1", "/c?c=*"]);
    let all = r#"{"query_in": ["pages", "links"], "query_parameters": ["b"]}"#;
    assert_eq!(texts(all, chunk()), ["https://x.io/?a=1#t=2", "https://x.io/?b=*", "/c?c=1"]);
    assert_eq!(
        texts(r#"{"query_in": []}"#, chunk()),
        ["https://x.io/?a=1#t=2", "https://x.io/?b=1", "/c?c=1"]
    );
}

#[test]
fn errors_of_the_config_are_told_together() {
    for (config, said) in [
        (r#"{"drop_requests": ["login"]}"#, "`drop_requests`: `login`"),
        (r#"{"drop_headers": ["a b"], "allow_headers": [""]}"#, "`a b` is no header's name; `` is no"),
        (r#"{"allow_headers": ["Cookie"]}"#, "`Cookie` is in `allow_headers` and in `drop_headers`"),
        (r#"{"query_parameters": ["a"], "keep_parameters": ["b"]}"#, "keep_parameters"),
        (r#"{"query_in": ["pages", "posts"]}"#, "posts"),
        (r#"{"body": "clear"}"#, "bodies"),
    ] {
        let error = plugin(config).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
