//! The page's address as the plugins before left it: for later plugins, chunks and batches.

use super::*;

const META: &str = r#"[{"type":4,"timestamp":1,"data":{"href":"https://a.com/anna"}},{"type":2,"timestamp":2,"data":{"node":{"type":0,"childNodes":[],"id":1}}}]"#;
const TEXT: &str = r#"[{"type":3,"timestamp":3,"data":{"source":5,"text":"t","id":4}}]"#;
const LATE_META: &str = r#"[{"type":3,"timestamp":3,"data":{"source":5,"text":"t","id":4}},{"type":4,"timestamp":4,"data":{"href":"https://a.com/bert"}}]"#;

fn urls(batch: &Batch) -> Vec<Option<String>> {
    (0..batch.len()).map(|chunk| batch.info(chunk).unwrap().page_url).collect()
}

fn mask_address(batch: &mut Batch, chunk: usize, url: &str) {
    let masked = change(vec![mask(row_in(batch, chunk, url), 14, 18)]);
    let verdicts = (0..batch.len()).map(|at| if at == chunk { masked.clone() } else { Verdict::Keep });
    apply(batch, verdicts.collect()).unwrap();
}

/// The next batch over what is known after this one, with one chunk that does not say where it is.
fn next_url(batch: Batch, chunk_index: u32) -> Option<String> {
    let mut next = Batch::new(Kinds::ALL, batch.finish().1);
    next.add(&head(chunk_index, 100), TEXT.into(), &LIMITS).unwrap();
    next.info(0).unwrap().page_url
}

#[test]
fn a_masked_address_is_masked_for_all_that_comes_after() {
    let mut b = batch_of(Kinds::ALL, &[META, TEXT]);
    assert_eq!(urls(&b), [Some("https://a.com/anna".into()), Some("https://a.com/anna".into())]);
    mask_address(&mut b, 0, "https://a.com/anna");
    assert_eq!(urls(&b), [Some("https://a.com/****".into()), Some("https://a.com/****".into())]);
    assert_eq!(next_url(b, 2).as_deref(), Some("https://a.com/****"));
}

#[test]
fn an_address_after_content_is_that_of_the_next_chunk() {
    let mut b = batch_of(Kinds::ALL, &[META, LATE_META, TEXT]);
    let [anna, bert] = ["https://a.com/anna", "https://a.com/bert"].map(|url| Some(url.to_owned()));
    assert_eq!(urls(&b), [anna.clone(), anna.clone(), bert]);
    mask_address(&mut b, 1, "https://a.com/bert");
    let masked = Some("https://a.com/****".to_owned());
    assert_eq!(urls(&b), [anna.clone(), anna, masked.clone()]);
    assert_eq!(next_url(b, 3), masked);
}

#[test]
fn what_the_batch_before_left_is_not_unmasked() {
    let mut b = batch(META);
    mask_address(&mut b, 0, "https://a.com/anna");
    let mut next = Batch::new(Kinds::ALL, b.finish().1);
    next.add(&head(1, 50), LATE_META.into(), &LIMITS).unwrap();
    next.add(&head(2, 60), TEXT.into(), &LIMITS).unwrap();
    assert_eq!(urls(&next), [Some("https://a.com/****".into()), Some("https://a.com/bert".into())]);
}

#[test]
fn another_page_has_an_address_of_its_own() {
    let mut b = batch(META);
    b.add(&head(0, 10), META.replace("anna", "bert").into(), &LIMITS).unwrap();
    b.add(&head(1, 11), TEXT.into(), &LIMITS).unwrap();
    mask_address(&mut b, 0, "https://a.com/anna");
    let [masked, bert] = ["https://a.com/****", "https://a.com/bert"].map(|url| Some(url.to_owned()));
    assert_eq!(urls(&b), [masked, bert.clone(), bert.clone()]);
    assert_eq!(next_url(b, 2), bert);
}

#[test]
fn a_dropped_chunk_still_says_where_the_page_is() {
    let mut b = batch_of(Kinds::ALL, &[META, TEXT]);
    mask_address(&mut b, 0, "https://a.com/anna");
    b.apply(1, Kinds::ALL, vec![Verdict::Drop(0), Verdict::Keep], &RULES).unwrap();
    assert_eq!(b.info(1).unwrap().page_url.as_deref(), Some("https://a.com/****"));
    assert_eq!(next_url(b, 2).as_deref(), Some("https://a.com/****"));
}

#[test]
fn a_replaced_address_counts_whether_or_not_addresses_are_fields() {
    for kinds in [Kinds::ALL, Kinds::from_iter([Kind::Text])] {
        let mut b = batch_of(kinds, &[META, TEXT]);
        let masked = META.replace("anna", "****");
        b.apply(0, kinds, vec![Verdict::Replace(masked.into()), Verdict::Keep], &RULES).unwrap();
        assert_eq!(urls(&b), [Some("https://a.com/****".into()), Some("https://a.com/****".into())]);
        let next = b.finish().1;
        let mut next = Batch::new(kinds, next);
        next.add(&head(2, 100), TEXT.into(), &LIMITS).unwrap();
        assert_eq!(urls(&next), [Some("https://a.com/****".into())]);
    }
}

#[test]
fn a_replaced_chunk_without_an_address_keeps_the_one_it_began_with() {
    let mut b = batch_of(Kinds::ALL, &[META, TEXT, LATE_META]);
    let replaced = Verdict::Replace(TEXT.replace("\"t\"", "\"*\"").into());
    apply(&mut b, vec![Verdict::Keep, replaced, Verdict::Keep]).unwrap();
    mask_address(&mut b, 0, "https://a.com/anna");
    assert_eq!(urls(&b), vec![Some("https://a.com/****".to_owned()); 3]);
    assert_eq!(next_url(b, 3).as_deref(), Some("https://a.com/bert"));
}

#[test]
fn a_replaced_chunk_does_not_begin_where_the_batch_ends() {
    let mut b = Batch::new(Kinds::ALL, batch(META).finish().1);
    b.add(&head(1, 50), TEXT.into(), &LIMITS).unwrap();
    b.add(&head(2, 60), LATE_META.into(), &LIMITS).unwrap();
    let replaced = Verdict::Replace(TEXT.replace("\"t\"", "\"*\"").into());
    apply(&mut b, vec![replaced, Verdict::Keep]).unwrap();
    assert_eq!(urls(&b), vec![Some("https://a.com/anna".to_owned()); 2]);
}

#[test]
fn a_page_that_does_not_say_where_it_is_has_no_address() {
    let mut b = batch(META);
    b.add(&head(0, 10), TEXT.into(), &LIMITS).unwrap();
    assert_eq!(urls(&b), [Some("https://a.com/anna".into()), None]);
}
