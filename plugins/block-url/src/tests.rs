//! Which pages are dropped.

use replay_plugin::memory::{MemoryChunk, run_in_memory};
use replay_plugin::{ChunkInfo, parse_config};

use super::*;

fn plugin(config: &str) -> Result<BlockUrl, String> {
    BlockUrl::configure(parse_config(config)?)
}

fn is_dropped(config: &str, page: Option<&str>, then: &[&str]) -> bool {
    let info = ChunkInfo { page_url: page.map(str::to_owned), ..ChunkInfo::default() };
    let chunk = MemoryChunk::new().info(info).field(Kind::Url, 9, "href", "https://x.io/admin/link");
    let chunk = then.iter().fold(chunk, |chunk, url| chunk.field(Kind::Url, 0, "href", url));
    run_in_memory(&plugin(config).unwrap(), &[chunk]).unwrap().remove(0).is_none()
}

#[test]
fn blocked_pages() {
    let config =
        r#"{"blockUrls": ["/admin/*", "/account/billing", "*/payment*", "https://pay.io/**", "/u/?"]}"#;
    for (url, dropped) in [
        ("https://x.io/admin/users?a=1", true),
        ("https://x.io/%61dmin/users", true),
        ("https://x.io/admin", true),
        ("https://x.io/account/billing/", true),
        ("https://x.io/account/billing/1", false),
        ("https://x.io/shop/payment/1", true),
        ("https://x.io/?next=/payment", false),
        ("https://pay.io/a/b", true),
        ("https://x.io/u/7", true),
        ("https://x.io/u/77", false),
    ] {
        assert_eq!(is_dropped(config, Some(url), &[]), dropped, "{url}");
    }
}

#[test]
fn any_page_of_the_chunk_decides() {
    let config = r#"{"blockUrls": ["/admin/*"]}"#;
    assert!(is_dropped(config, Some("https://x.io/"), &["https://x.io/admin/1", "https://x.io/"]));
    assert!(!is_dropped(config, Some("https://x.io/"), &["https://x.io/b"]));
}

#[test]
fn only_allowed_pages() {
    let config = r#"{"allowUrls": ["/", "/blog/*"], "blockUrls": ["/blog/secret"]}"#;
    assert!(!is_dropped(config, Some("https://x.io"), &[]));
    assert!(!is_dropped(config, Some("https://x.io/blog/1"), &[]));
    assert!(is_dropped(config, Some("https://x.io/blog/secret"), &[]));
    assert!(is_dropped(config, Some("https://x.io/shop"), &[]));
}

#[test]
fn an_unknown_page() {
    assert!(is_dropped(r#"{"blockUrls": ["/a"]}"#, None, &[]));
    assert!(is_dropped(r#"{"blockUrls": ["/a"], "on_unknown": "drop"}"#, None, &[]));
    assert!(!is_dropped(r#"{"blockUrls": ["/a"], "on_unknown": "keep"}"#, None, &[]));
    assert!(is_dropped(r#"{"allowUrls": ["/a"]}"#, None, &[]));
    assert!(is_dropped(r#"{"allowUrls": ["/a"]}"#, Some("*****"), &[]));
    assert!(!is_dropped(r#"{"allowUrls": ["/a"], "on_unknown": "keep"}"#, None, &[]));
}

#[test]
fn errors_of_the_config() {
    for (config, said) in [
        ("{}", "both empty"),
        (r#"{"blockUrls": ["admin"]}"#, "`admin`"),
        (r#"{"blockUrl": []}"#, "blockUrls"),
    ] {
        assert!(plugin(config).unwrap_err().contains(said));
    }
}
