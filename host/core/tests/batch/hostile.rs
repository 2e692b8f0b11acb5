//! Chunks that were made to cost more than they weigh.

use std::fmt::Write;

use super::*;

/// An event of a chunk that holds `data`.
fn incremental(data: &str) -> String {
    format!(r#"{{"type":3,"timestamp":2,"data":{data}}}"#)
}

/// The node 1, and in it so many elements, each inside the one before.
fn chain(length: u32) -> String {
    let mut adds = String::new();
    for id in 2..length + 2 {
        let comma = if id == 2 { "" } else { "," };
        let parent = id - 1;
        write!(adds, r#"{comma}{{"parentId":{parent},"node":{{"type":2,"tagName":"p","id":{id}}}}}"#)
            .unwrap();
    }
    incremental(&format!(r#"{{"source":0,"adds":[{adds}]}}"#))
}

/// Walked up from each click, these would be 4e10 steps.
#[test]
fn clicks_at_the_bottom_of_a_deep_chain() {
    let click = incremental(r#"{"source":2,"type":2,"id":200001}"#);
    let b = batch(&format!("[{},{}]", chain(200_000), vec![click; 100_000].join(",")));
    let named = nodes(&b, 0);
    assert_eq!((named.len(), named[0], named[200_000]), (200_001, 1, 200_001));
}

/// Each move changes what is around the bottom, which is clicked after each.
#[test]
fn a_chain_that_hangs_on_another_node_each_time() {
    let other =
        incremental(r#"{"source":0,"adds":[{"parentId":1,"node":{"type":2,"tagName":"p","id":6000}}]}"#);
    let mut all = format!("{},{other}", chain(1_000));
    for turn in 0..40_000 {
        let parent = 5_000 + turn % 2;
        let moved = format!(
            r#"{{"source":0,"adds":[{{"parentId":{parent},"node":{{"type":2,"tagName":"p","id":2}}}}]}}"#
        );
        let click = incremental(r#"{"source":2,"type":2,"id":1001}"#);
        write!(all, ",{},{click}", incremental(&moved)).unwrap();
    }
    let mut b = batch(&format!("[{all}]"));
    let named = nodes(&b, 0);
    assert_eq!((named.len(), &named[1_001..]), (1_004, &[5_000, 5_001, 6_000][..]));
    let answer = apply(&mut b, vec![block(&[6_000])]);
    assert_eq!(answer, Err(EditFaultKind::NotBlockable { node: 6_000 }), "that is too many steps");
}

/// Asked for its parent anew for each of its nodes, this would be 4e10 steps.
#[test]
fn an_addition_of_many_nodes_at_once() {
    let nodes_at_once = r#","node":{"type":2,"tagName":"p","id":7}"#.repeat(200_000);
    let adds = format!(r#"{{"source":0,"adds":[{{"parentId":5{nodes_at_once}}}]}}"#);
    let mut b = batch(&format!("[{}]", incremental(&adds)));
    assert_eq!(nodes(&b, 0), [5, 7]);
    apply(&mut b, vec![block(&[7])]).unwrap();
}

/// Gone through anew for each of them, the headers of one request would be 4e10 steps, and so would be lists
/// of requests.
#[test]
fn all_headers_of_a_request_and_all_lists_of_requests() {
    let rules = EditRules { extra_edits: 1 << 20, ..RULES };
    let headers = vec![r#"["x","secret"]"#; 200_000].join(",");
    let lists = r#","requests":[{"url":"secret"}]"#.repeat(200_000);
    let events = format!(
        r#"[{{"type":6,"timestamp":1,"data":{{"plugin":"rrweb/network@1","payload":{{"requests":[{{"requestHeaders":[{headers}]}}]{lists}}}}}}}]"#
    );
    let mut b = batch(&events);
    let words = (0u32..).zip(rows(&b, 0, Kinds::ALL)).filter(|(_, row)| row.text == "secret");
    let items = words.map(|(at, row)| if row.name == "url" { Item::Request(at) } else { Item::Header(at) });
    let items: Vec<Item> = items.collect();
    assert_eq!(items.len(), 400_000);
    b.apply(0, Kinds::ALL, vec![drop_items(&items)], &rules).unwrap();
    let left = self::events(&b, 0);
    let empty = r#","requests":[]"#.repeat(200_000);
    let start = r#"[{"type":6,"timestamp":1,"data":{"plugin":"rrweb/network@1","payload":{"requests":[{"requestHeaders":[]}]"#;
    assert!(left == format!("{start}{empty}}}}}}}]"), "all of them left, and nothing else");
}

#[test]
fn more_values_than_are_looked_at() {
    let zeros = vec!["0"; 5 << 20].join(",");
    let mutation = incremental(&format!(r#"{{"source":0,"x":[{zeros}],"texts":[{{"id":7,"value":"t"}}]}}"#));
    let limits = ScanLimits { max_fields: 8 << 20, max_raw_chunk_bytes: 32 << 20, ..LIMITS };
    let batch = |event: &str| {
        let mut batch = Batch::new(Kinds::from_iter([Kind::Text]), elements());
        batch.add(&head(0, 1), format!("[{event}]").into(), &limits).unwrap();
        batch
    };
    assert_eq!(nodes(&batch(&mutation), 0), [7], "what nobody reads is skipped");
    let asked = batch(&mutation.replace("\"x\"", "\"adds\""));
    assert_eq!(asked.nodes(0), None, "some are not all");
}
