//! No edit names a new place: what a replay would load is what the recording named.

use super::*;

const HREF: &str = "https://a.com/x?mail=anna@a.com#top";
const SRC: &str = "/img/anna.png";
const SRCSET: &str = "/a.png 1x, https://a.com/b.png 2x";
const STYLE: &str = "color: red; background: url(/a.png)";
const SHEET: &str = "@media print { a:hover { color: red } }";
const SRCDOC: &str = "<p title='x'>anna</p>";
const OTHER: &str = "what nobody knows";

/// An element with one attribute of each sort, and an event of an unknown type.
fn page() -> String {
    let attributes = serde_json::json!({
        "href": HREF, "src": SRC, "srcset": SRCSET, "style": STYLE, "_cssText": SHEET, "srcdoc": SRCDOC,
        "title": "anna",
    });
    let node = serde_json::json!({
        "type": 2, "tagName": "img", "attributes": attributes, "childNodes": [], "id": 2,
    });
    serde_json::json!([
        {"type": 2, "timestamp": 1, "data": {"node": node}},
        {"type": 42, "timestamp": 2, "data": {"any": OTHER}},
    ])
    .to_string()
}

/// Puts `new` in the place of the whole field that says `field`.
fn put(field: &str, new: &str) -> Result<(), EditFaultKind> {
    let mut b = batch(&page());
    let edits = vec![edit(row(&b, field), 0, field.len(), say(new))];
    apply(&mut b, vec![change(edits)])
}

fn assert_refused(field: &str, new: &str) {
    assert_eq!(put(field, new), Err(EditFaultKind::ForeignOrigin { edit: 0 }), "{new:?} for {field:?}");
}

/// Addresses of elsewhere, in the spellings that browsers take.
const FOREIGN: [&str; 23] = [
    "https://evil.com/",
    "HTTPS://EVIL.COM/",
    "http://a.com/x",
    "//evil.com/x",
    "///evil.com/x",
    "/\\evil.com/x",
    "\\\\evil.com\\x",
    "https:evil.com",
    "https:/evil.com",
    "https:\\\\evil.com",
    "ht\ntps://evil.com/",
    "https:/\t/evil.com/",
    " https://evil.com/",
    "\u{1}https://evil.com/",
    "https://a.com@evil.com/",
    "https://a.com.evil.com/",
    "https://a.com:8080/x",
    "wss://evil.com/",
    "ftp://evil.com/",
    "javascript:alert(1)",
    "JaVa\tScRiPt:alert(1)",
    "data:text/html,<script>1</script>",
    "blob:https://evil.com/1",
];

#[test]
fn no_field_takes_a_foreign_address() {
    for field in [HREF, SRC, SRCSET, STYLE, SHEET, SRCDOC, OTHER] {
        for new in FOREIGN {
            assert_refused(field, new);
            assert_refused(field, &format!("{field} {new}"));
        }
    }
}

#[test]
fn other_schemes_are_no_way_out_of_links_and_sources() {
    for field in [HREF, SRC, SRCSET, OTHER] {
        for new in
            ["mailto:x@evil.com", "tel:123", "vbscript:x", "file:///etc/passwd", "intent:x", "about:blank"]
        {
            assert_refused(field, new);
        }
    }
    assert_refused(SRCSET, "/a.png 1x, //evil.com/b.png 2x");
    assert_refused(SRCSET, "/a.png 1x,https://evil.com/b.png 2x");
    assert_refused(SRCSET, "/a.png 1x, data:image/png;base64,AA 2x");
}

#[test]
fn css_loads_nothing_new() {
    for new in [
        "background: url(//evil.com/x)",
        "background: url('https://evil.com/x')",
        "background: URL( \"https://evil.com/x\" )",
        "background: u\\72l(/x)",
        "background: \\75rl(https\\3a //evil.com)",
        "background: url(https:\\2f\\2f evil.com)",
        "background: image-set('https://evil.com/x' 1x)",
        "background: -webkit-image-set(url(https://evil.com/x) 1x)",
        "src: src('/x')",
        "@import 'https://evil.com/x.css';",
        "@IMPORT url(/x)",
        "@import '/x'",
        "width: expression(alert(1))",
        "behavior: url(/x)",
        "-moz-binding: url(/x)",
    ] {
        assert_refused(SHEET, new);
    }
    for new in ["background: url(//evil.com/x)", "@import '/x'", "background: image-set('/x' 1x)"] {
        assert_refused(STYLE, new);
    }
}

#[test]
fn a_document_takes_no_markup_and_no_escapes() {
    for new in [
        "<img>",
        "<script>",
        "&lt;",
        "&#60;img",
        "javascript&colon;x",
        "&#x6a;avascript:x",
        "a=b",
        "'x'",
        "\"x\"",
        "a/b",
        "a:b",
        "x\u{0}y",
    ] {
        assert_refused(SRCDOC, new);
    }
    let mut b = batch(&page());
    let field = row(&b, SRCDOC);
    let anna = SRCDOC.find("anna").unwrap();
    apply(&mut b, vec![change(vec![edit(field, anna, anna + 4, say("[name]"))])]).unwrap();
    assert!(texts(&b, 0).contains(&SRCDOC.replace("anna", "[name]")));
}

#[test]
fn an_address_is_not_put_together_by_several_edits() {
    let mut b = batch(&page());
    let field = row(&b, SRC);
    let parts = vec![edit(field, 0, 0, say("/")), edit(field, 1, 4, say("evil.com"))];
    assert_eq!(apply(&mut b, vec![change(parts)]), Err(EditFaultKind::ForeignOrigin { edit: 0 }));
    // Nor by several plugins.
    let field = row(&b, HREF);
    apply(&mut b, vec![change(vec![edit(field, 0, 8, say(""))])]).unwrap();
    let field = row(&b, &HREF[8..]);
    let end = HREF.len() - 8;
    let evil = vec![edit(field, 0, end, say("//evil.com"))];
    assert_eq!(apply(&mut b, vec![change(evil)]), Err(EditFaultKind::ForeignOrigin { edit: 0 }));
}

#[test]
fn what_is_harmless_passes() {
    for (field, new) in [
        (HREF, "https://a.com/x?mail=[email]#top"),
        (HREF, "https://a.com/x?mail=%5Bemail%5D"),
        (HREF, "https://A.com/"),
        (HREF, "https://a.com/"),
        (HREF, "/x?mail=[email]"),
        // A path on a.com: browsers read `\\` as `/`.
        (HREF, "https://a.com\\@evil.com/"),
        (HREF, ""),
        (SRC, "/img/[name].png"),
        (SRC, "removed.png"),
        (SRCSET, "/[a].png 1x, https://a.com/[b].png 2x"),
        (SRCSET, ""),
        (STYLE, "color: red"),
        (STYLE, "color: blue; background: url(/b.png)"),
        (SHEET, "@media print { b:focus { color: blue } }"),
        (SHEET, ""),
        (SRCDOC, "[removed]"),
        (OTHER, "[removed]"),
        ("anna", "https://evil.com/ is only read, never loaded"),
    ] {
        assert_eq!(put(field, new), Ok(()), "{new:?} for {field:?}");
    }
}

#[test]
fn masks_are_no_addresses() {
    for mask in Replacement::MASKS {
        let mut b = batch(&page());
        let host = HREF.find("a.com").unwrap();
        let (field, mail) = (row(&b, HREF), HREF.find("anna").unwrap());
        let edits = vec![
            edit(field, host, host + 5, Replacement::Mask(mask)),
            edit(field, mail, mail + 10, say("[email]")),
        ];
        apply(&mut b, vec![change(edits)]).unwrap();
        let masked = format!("https://{}/x?mail=[email]#top", mask.to_string().repeat(5));
        assert!(texts(&b, 0).contains(&masked), "{masked}");
    }
}
