//! What each kind of event holds, place by place.

use super::*;
use Kind::{
    Attribute, Canvas, Code, Console, Custom, Html, Input, Markup, Network, Other, Pixels, Style, Text, Url,
};

/// Scans one event and compares what is found.
fn check(event: &str, expected: &[(Kind, &str, &str)]) -> Scan {
    let scan = run(format!("[{event}]").as_bytes()).unwrap();
    assert_eq!(found(&scan), expected, "{event}");
    scan
}

#[test]
fn a_snapshot() {
    let scan = check(
        r#"{"type":2,"data":{"node":{"type":0,"childNodes":[{"type":1,"name":"html","publicId":"p","systemId":"","id":2},
        {"type":2,"tagName":"body","attributes":{"class":"a b","data-user":"Anna","onclick":"go()","srcdoc":"<p>","hidden":true,"href":"https:\/\/x","rr_dataURL":"data:image/png;base64,AA"},"childNodes":[
        {"type":3,"textContent":"Hi \u0041nna","id":4},{"type":2,"tagName":"STYLE","attributes":{},"childNodes":[{"type":3,"textContent":"p{}","id":6}],"id":5},
        {"type":2,"tagName":"textarea","attributes":{"value":"v"},"childNodes":[{"type":3,"textContent":"typed","id":8}],"id":7},
        {"type":2,"tagName":"script","attributes":{},"childNodes":[{"type":3,"textContent":"f()","id":10}],"id":9}],"id":3}],"id":1},"initialOffset":{"left":0,"top":1234567}},"timestamp":1700000000000}"#,
        &[
            (Other, "publicId", "p"),
            (Other, "systemId", ""),
            (Markup, "class", "a b"),
            (Attribute, "data-user", "Anna"),
            (Code, "onclick", "go()"),
            (Html, "srcdoc", "<p>"),
            (Url, "href", "https://x"),
            (Pixels, "rr_dataURL", "24"),
            (Text, "textContent", "Hi Anna"),
            (Style, "textContent", "p{}"),
            (Input, "value", "v"),
            (Input, "textContent", "typed"),
            (Code, "textContent", "f()"),
        ],
    );
    let places: Vec<_> = scan.fields.iter().map(|field| (field.node, field.element)).collect();
    assert_eq!(places[2], (3, 3));
    assert_eq!(places[8..], [(4, 3), (6, 5), (7, 7), (8, 7), (10, 9)]);
    assert_eq!(scan.fields.iter().map(|field| field.escaped).collect::<Vec<_>>()[6..9], [true, false, true]);
}

#[test]
fn the_tag_may_come_after_the_text() {
    check(
        r#"{"data":{"node":{"attributes":{},"childNodes":[{"id":2,"textContent":"p{}","type":3}],"id":1,"tagName":"style","type":2}},"type":2}"#,
        &[(Style, "textContent", "p{}")],
    );
    // Two tags: the last counts, as for the player.
    check(
        r#"{"type":2,"data":{"node":{"tagName":"style","childNodes":[{"textContent":"Anna","id":2}],"tagName":"p","id":1}}}"#,
        &[(Text, "textContent", "Anna")],
    );
}

#[test]
fn a_mutation() {
    let json = br#"[{"type":2,"data":{"node":{"type":2,"tagName":"p","attributes":{},"childNodes":[{"type":3,"textContent":"a","id":2},{"type":2,"tagName":"textarea","attributes":{},"childNodes":[{"type":3,"textContent":"b","id":4}],"id":3}],"id":1}}},
      {"type":3,"data":{"source":0,"texts":[{"id":2,"value":"c"},{"value":"d","id":4},{"id":99,"value":"e"}],
       "attributes":[{"id":1,"attributes":{"style":{"color":"red","margin":["1px","important"],"top":false},"title":"t","class":null}}],
       "removes":[{"parentId":1,"id":1234567}],
       "adds":[{"node":{"type":3,"textContent":"f","id":6},"parentId":5,"nextId":null},{"parentId":1,"nextId":null,"node":{"type":2,"tagName":"style","attributes":{"_cssText":"q{}"},"childNodes":[],"id":5}}]}}]"#;
    let scan = run(json).unwrap();
    assert_eq!(
        found(&scan)[2..],
        [
            (Text, "value", "c"),
            (Input, "value", "d"),
            (Text, "value", "e"),
            (Style, "color", "red"),
            (Style, "margin", "1px"),
            (Style, "margin", "important"),
            (Attribute, "title", "t"),
            (Style, "textContent", "f"),
            (Style, "_cssText", "q{}"),
        ]
    );
    let places: Vec<_> = scan.fields.iter().map(|field| (field.event, field.node, field.element)).collect();
    assert_eq!(places[2..5], [(1, 2, 1), (1, 4, 3), (1, 99, 0)]);
    assert_eq!(places[8..], [(1, 1, 1), (1, 6, 5), (1, 5, 5)]);
}

#[test]
fn other_incremental_events() {
    let scan = check(
        r#"{"type":3,"data":{"source":5,"text":"an","isChecked":false,"id":7}}"#,
        &[(Input, "text", "an")],
    );
    assert_eq!((scan.fields[0].node, scan.fields[0].element), (7, 7));
    check(
        r#"{"type":3,"data":{"source":8,"id":3,"adds":[{"rule":"a{}","index":1}],"removes":[{"index":[0,1]}],"replaceSync":"b{}"}}"#,
        &[(Style, "rule", "a{}"), (Style, "replaceSync", "b{}")],
    );
    check(
        r#"{"type":3,"data":{"source":13,"id":3,"index":[0],"set":{"property":"--own","value":"red","priority":"important"}}}"#,
        &[(Style, "property", "--own"), (Style, "value", "red"), (Style, "priority", "important")],
    );
    check(
        r#"{"type":3,"data":{"source":15,"id":1,"styleIds":[1],"styles":[{"styleId":1,"rules":[{"rule":"a{}","index":0}]}]}}"#,
        &[(Style, "rule", "a{}")],
    );
    check(
        r#"{"type":3,"data":{"source":1,"positions":[{"x":1234567,"y":2,"id":3,"timeOffset":-123456}]}}"#,
        &[],
    );
    check(
        r#"{"type":3,"data":{"source":10,"family":"F","fontSource":"url(x)","buffer":false,"descriptors":{"style":"normal"}}}"#,
        &[
            (Other, "family", "F"),
            (Url, "fontSource", "url(x)"),
            (Other, "descriptors", "style"),
            (Other, "style", "normal"),
        ],
    );
    check(
        r#"{"type":3,"data":{"source":16,"define":{"name":"my-element"}}}"#,
        &[(Other, "name", "my-element")],
    );
    check(
        r#"{"type":3,"data":{"source":11,"level":"log","trace":["t"],"payload":["p"]}}"#,
        &[(Console, "trace", "t"), (Console, "payload", "p")],
    );
    check(
        r#"{"type":3,"data":{"source":77,"x":"y"}}"#,
        &[(Other, "data", "source"), (Other, "data", "x"), (Other, "x", "y")],
    );
}

#[test]
fn a_canvas() {
    let scan = check(
        r#"{"type":3,"data":{"source":9,"id":9,"type":0,"commands":[{"property":"fillText","args":["Anna",123456,2]},
         {"property":"putImageData","args":[{"rr_type":"ImageData","args":[{"rr_type":"Uint8ClampedArray","args":[[1,2, 3]]},1,1]}]},
         {"property":"drawImage","args":[{"rr_type":"ImageBitmap","args":[{"rr_type":"Blob","data":[{"rr_type":"ArrayBuffer","base64":"AAAA"}],"type":"image/png"}]}]},
         {"property":"drawImage","args":[{"rr_type":"HTMLImageElement","src":"data:image\/PNG;base64,AA"}]}]}}"#,
        &[
            (Canvas, "args", "Anna"),
            (Pixels, "args", "8"),
            (Pixels, "base64", "4"),
            (Other, "type", "image/png"),
            (Pixels, "src", "25"),
        ],
    );
    assert!(scan.fields.iter().all(|field| field.node == 9));
    check(
        r#"{"type":3,"data":{"source":9,"id":9,"property":"fillText","args":["A"]}}"#,
        &[(Canvas, "args", "A")],
    );
}

#[test]
fn meta_custom_plugins_and_assets() {
    let scan = check(
        r#"{"type":4,"data":{"href":"https://x/?q=1","width":1234567,"height":2}}"#,
        &[(Url, "href", "https://x/?q=1")],
    );
    assert_eq!((scan.page_url.as_deref(), scan.page_url_field), (Some("https://x/?q=1"), Some(0)));
    check(
        r#"{"type":5,"data":{"tag":"user","payload":{"anna@x.example":4111111111111111,"n":12345,"deep":["a",{"b":true}]}}}"#,
        &[
            (Custom, "tag", "user"),
            (Custom, "payload", "anna@x.example"),
            (Custom, "anna@x.example", "4111111111111111"),
            (Custom, "payload", "n"),
            (Custom, "payload", "deep"),
            (Custom, "deep", "a"),
            (Custom, "deep", "b"),
        ],
    );
    check(
        r#"{"type":6,"data":{"payload":{"level":"log","trace":["t"],"payload":["{\"a\":1}"]},"plugin":"rrweb/console@1"}}"#,
        &[(Console, "trace", "t"), (Console, "payload", r#"{"a":1}"#)],
    );
    check(
        r#"{"type":6,"data":{"plugin":"rrweb/network@1","payload":{"requests":[{"name":"https://x","method":"GET","startTime":123456.7,"requestHeaders":{"a":"b"},"own":1234567}]}}}"#,
        &[
            (Network, "name", "https://x"),
            (Network, "method", "GET"),
            (Network, "requestHeaders", "a"),
            (Network, "a", "b"),
            (Network, "requests", "own"),
            (Network, "own", "1234567"),
        ],
    );
    check(
        r#"{"type":6,"data":{"plugin":"mine@anna.example","payload":"x"}}"#,
        &[(Other, "plugin", "mine@anna.example"), (Other, "payload", "x")],
    );
    check(
        r#"{"type":7,"data":{"url":"https://x/a.png","payload":{"rr_type":"CssText","cssTexts":["a{}"]},"failed":{"status":404,"message":"m"}}}"#,
        &[(Url, "url", "https://x/a.png"), (Style, "cssTexts", "a{}"), (Other, "message", "m")],
    );
}

#[test]
fn what_is_not_known_is_a_field() {
    check(
        r#"{"type":99,"data":{"k":"v","n":123456},"timestamp":1700000000000,"more":{"m":"w"}}"#,
        &[
            (Other, "data", "k"),
            (Other, "k", "v"),
            (Other, "data", "n"),
            (Other, "n", "123456"),
            (Other, "", "more"),
            (Other, "more", "m"),
            (Other, "m", "w"),
        ],
    );
    check(r#"{"type":"Anna","data":"Smith"}"#, &[(Other, "type", "Anna"), (Other, "data", "Smith")]);
    check(
        r#"{"type":2,"data":{"node":{"type":2,"tagName":"anna@x.example","attributes":{"class":"a","cl\u0061ss":"b","anna smith":"c"},"id":1}}}"#,
        &[
            (Other, "tagName", "anna@x.example"),
            (Markup, "class", "a"),
            (Markup, "class", "b"),
            (Other, "attributes", "anna smith"),
            (Attribute, "anna smith", "c"),
        ],
    );
    // Two types: whichever the player takes, nothing of it is passed by.
    check(
        r#"{"type":2,"data":{"node":{"tagName":"div"}},"type":5}"#,
        &[(Other, "data", "node"), (Other, "node", "tagName"), (Other, "tagName", "div")],
    );
}

#[test]
fn a_number_for_an_attribute_is_odd() {
    check(
        r#"{"type":3,"data":{"source":0,"attributes":[{"id":7,"attributes":{"rr_scrollTop":123456.5,"width":100,"card":700000000948}}]}}"#,
        &[(Attribute, "card", "700000000948")],
    );
}

#[test]
fn svg_that_can_be_read_is_no_picture() {
    for (url, kind) in [
        ("data:image/svg+xml,<text>Anna</text>", Url),
        ("data:image/svg+xml;base64,AAAA", Pixels),
        (" DATA:IMAGE/gif;base64,AAAA", Pixels),
        ("https://x/data:image", Url),
    ] {
        let json = format!(
            r#"[{{"type":2,"data":{{"node":{{"tagName":"img","attributes":{{"src":"{url}"}},"id":1}}}}}}]"#
        );
        assert_eq!(run(json.as_bytes()).unwrap().fields[0].kind, kind, "{url}");
    }
}

#[test]
fn only_the_kinds_asked_for() {
    let json = br#"[{"type":2,"data":{"node":{"tagName":"div","attributes":{"title":"t"},"childNodes":[{"type":2,"tagName":"style","childNodes":[{"textContent":"css","id":3}],"id":2},{"textContent":"text","id":4}],"id":1}}},{"type":4,"data":{"href":"u"}}]"#;
    let scan =
        scan(json.to_vec(), place(0, 1), Kinds::from_iter([Kind::Text]), &mut elements(), &LIMITS).unwrap();
    assert_eq!(found(&scan), [(Text, "textContent", "text")]);
    assert_eq!(scan.text, b"text\n");
    let few = ScanLimits { max_fields: 2, ..LIMITS };
    let result = replay_core::rrweb::scan(json.to_vec(), place(0, 1), Kinds::ALL, &mut elements(), &few);
    assert_eq!(result.unwrap_err(), ScanError::TooMuch);
}

#[test]
fn focus_and_spans() {
    let json = br#"[{"type":3,"data":{"source":2,"type":5,"id":8}} , {"data":{"id":8,"type":6,"source":2},"type":3},{"type":3,"data":{"source":2,"type":2,"id":8}}]"#;
    let scan = run(json).unwrap();
    let focus: Vec<_> = scan.focus.iter().map(|focus| (focus.event, focus.node, focus.focused)).collect();
    assert_eq!(focus, [(0, 8, true), (1, 8, false)]);
    for span in &scan.events {
        assert_eq!((span.event_type, span.source), (Some(3), Some(2)));
        let event = &scan.json[span.start as usize..span.end as usize];
        assert!(serde_json::from_slice::<serde_json::Value>(event).unwrap().is_object());
    }
}
