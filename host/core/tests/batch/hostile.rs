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
