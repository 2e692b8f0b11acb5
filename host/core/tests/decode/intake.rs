//! What the SDK posts, and the record that becomes of it.

use super::*;
use replay_core::identity::ProjectId;
use replay_core::record::intake::{IntakeError, from_sdk, unzip_body};

const FIELDS: &str = r#""session_id":"0191f0c4-7e1a-7c3b-9d55-0123456789ab","chunk_index":0,"timestamp_start":1,"timestamp_end":2,"has_full_snapshot":true"#;

fn project_of(key: &str) -> Option<ProjectId> {
    (key == "pk_live_1").then(|| ProjectId::new("shop")).flatten()
}

fn intake(body: &str) -> Result<String, IntakeError> {
    from_sdk(body.as_bytes(), project_of, 512).map(|made| {
        assert_eq!(made.project_id.as_str(), "shop");
        assert_eq!(made.session_id.to_string(), "0191f0c4-7e1a-7c3b-9d55-0123456789ab");
        String::from_utf8(made.record).unwrap()
    })
}

#[test]
fn the_key_gives_way_to_the_project_and_nothing_else_changes() {
    let rest = format!(r#"{FIELDS},"events":[{{"type":2, "x":1}}],"extra":"\u00e9""#);
    let expected = format!(r#"{{"project_id":"shop",{rest}}}"#);
    let key = r#""project_key":"pk_live_1""#;
    assert_eq!(intake(&format!("{{{key},{rest}}}")).unwrap(), expected);
    assert_eq!(intake(&format!("{{{rest},{key}}}")).unwrap(), expected);
    assert_eq!(intake(&format!(r#"{{"project_id":"theirs",{rest},{key}}}"#)).unwrap(), expected);
    assert_eq!(
        intake(&format!(r#"{{"project\u005fkey":"pk_live_1",{rest},"project_id":7}}"#)).unwrap(),
        expected
    );
    assert_eq!(intake(&format!(r#"{{{key},"project_id":null,{rest}}}"#)).unwrap(), expected);
    let (first, second) = rest.split_once(r#","events""#).unwrap();
    let between = format!(r#"{{{first},{key},"events"{second}}}"#);
    assert_eq!(intake(&between).unwrap(), expected);
    let decoded = run(expected.as_bytes()).unwrap();
    assert!(decoded.has_full_snapshot);
}

#[test]
fn laid_out_bodies_become_records_too() {
    let body = format!(" {{\n  \"project_key\" : \"pk_live_1\" ,\n  {FIELDS},\n  \"data\": \"W10=\"\n}}\n");
    let record = intake(&body).unwrap();
    assert_eq!(run(record.as_bytes()).unwrap().event_count, 0);
}

#[test]
fn faults_are_told_apart() {
    let key = r#""project_key":"pk_live_1""#;
    assert!(matches!(intake("nonsense"), Err(IntakeError::InvalidJson(_))));
    assert!(matches!(intake("[]"), Err(IntakeError::InvalidJson(_))));
    assert!(matches!(intake(&format!("{{{key},{key},{FIELDS}}}")), Err(IntakeError::InvalidJson(_))));
    assert_eq!(intake(&format!("{{{FIELDS}}}")), Err(IntakeError::MissingKey));
    assert_eq!(intake(&format!(r#"{{"project_key":null,{FIELDS}}}"#)), Err(IntakeError::MissingKey));
    assert_eq!(intake(&format!(r#"{{"project_key":"pk_other",{FIELDS}}}"#)), Err(IntakeError::UnknownKey));
    let field = |body: String| match intake(&body) {
        Err(IntakeError::Field(reject)) => reject.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(format!("{{{key},{FIELDS}}}")), Reason::MissingField);
    let body = format!(r#"{{{key},{FIELDS},"data":"W10="}}"#);
    intake(&body).unwrap();
    assert_eq!(field(body.replace("0191f0c4", "x")), Reason::InvalidSessionId);
    assert_eq!(field(body.replace(r#""chunk_index":0"#, r#""chunk_index":-1"#)), Reason::InvalidChunkIndex);
    assert_eq!(
        field(body.replace(r#""timestamp_end":2"#, r#""timestamp_end":"2""#)),
        Reason::InvalidTimestamp
    );
    assert_eq!(field(body.replace("\"W10=\"", &"[".repeat(600))), Reason::TooDeep);
}

#[test]
fn bodies_may_be_gzip() {
    let body = br#"{"a":1}"#;
    assert_eq!(&*unzip_body(body, 100).unwrap(), body);
    assert_eq!(&*unzip_body(&gzip(body), 100).unwrap(), body);
    assert!(matches!(unzip_body(&gzip(&[b' '; 101]), 100), Err(IntakeError::Compression(_))));
    assert!(matches!(unzip_body(&gzip(body)[..12], 100), Err(IntakeError::Compression(_))));
}
