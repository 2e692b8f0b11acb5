//! The example in the SDKs' READMEs, as a component on recorded events: what it says it does, the host does.

use replay_core::rrweb::Verdict;

use crate::guests::{Language, chunk_of, example, load, sandbox};

/// A page with an input for a coupon, an element whose class is about to leave, and an order number.
const EVENTS: &str = r#"[
{"type":4,"timestamp":1,"data":{"href":"https://shop.example/","width":800,"height":600}},
{"type":2,"timestamp":1,"data":{"initialOffset":{"top":0,"left":0},"node":{"type":0,"id":1,"childNodes":[
 {"type":2,"id":2,"tagName":"body","attributes":{},"childNodes":[
  {"type":2,"id":3,"tagName":"input","attributes":{"name":"coupon"},"childNodes":[]},
  {"type":2,"id":4,"tagName":"div","attributes":{"class":"box member-card"},"childNodes":[{"type":3,"id":5,"textContent":"Anna Smith"}]},
  {"type":2,"id":6,"tagName":"p","attributes":{"class":"box"},"childNodes":[{"type":3,"id":7,"textContent":"Your order ORD-7301"}]}
 ]}]}}},
{"type":3,"timestamp":2,"data":{"source":5,"id":3,"text":"SPRING24","isChecked":false}},
{"type":3,"timestamp":3,"data":{"source":0,"texts":[],"attributes":[{"id":4,"attributes":{"class":"box"}}],"removes":[],"adds":[]}}
]"#;

#[test]
fn orders_and_coupons_are_masked_and_cards_are_blocked() {
    for language in Language::ALL.into_iter().filter(|language| language.is_here()) {
        let plugin = load(&sandbox(|_| {}), &example(language), "null");
        assert!(plugin.manifest().redacts && plugin.manifest().needs_elements);
        let chunks = chunk_of(EVENTS);
        let (answer, lines) = plugin.process_with_logs(&chunks);
        let verdicts =
            answer.unwrap_or_else(|failure| panic!("{language:?}: {failure:?} {lines:?}")).verdicts;
        let [Verdict::Change(changes)] = &verdicts[..] else { panic!("{language:?}: {verdicts:?}") };
        assert_eq!(changes.block_nodes, [4], "{language:?}");
        let view = chunks.view(0, plugin.manifest().kinds).unwrap();
        let number =
            |at: usize| u32::from_le_bytes(view.index[4 * at..4 * at + 4].try_into().unwrap()) as usize;
        let masked = changes.edits.iter().map(|edit| {
            let start = number(8 * edit.field as usize + 6);
            std::str::from_utf8(&view.text[start + edit.start as usize..start + edit.end as usize]).unwrap()
        });
        assert_eq!(masked.collect::<Vec<_>>(), ["ORD-7301", "SPRING24"], "{language:?}");
    }
}
