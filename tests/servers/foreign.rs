//! Other people's clients: they produce, and they read what lies in the stores.

use std::io::Write;
use std::process::{Command, Stdio};

use replay_tests::own_clickhouse;
use replay_tests::records::{TestChunk, session_id};
use replay_tests::servers::{self, address};
use replay_tests::service::FAST;
use replay_tests::stage::Stage;

const CHUNKS: u32 = 6;

fn chunk(session: u64, index: u32) -> TestChunk {
    let start_ms = 1_700_000_000_000 + u64::from(index) * 1_000;
    TestChunk::new("shop", &session_id(session), index, start_ms, 4, &format!("{session}/{index}"))
}

fn lines(session: u64) -> String {
    (0..CHUNKS).map(|index| chunk(session, index).record() + "\n").collect()
}

/// What a session's chunks hold, one array a line.
fn events(session: u64) -> String {
    (0..CHUNKS).map(|index| chunk(session, index).events + "\n").collect()
}

/// Runs a program on `input`; answers what it prints.
fn piped(command: &mut Command, input: &str) -> Vec<u8> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Kafka's own console producer.
fn console_producer(stage: &Stage, lib: &str, input: &str) {
    let mut java = Command::new("java");
    java.args(["-Xmx128m", "-cp", &format!("{lib}/*"), "org.apache.kafka.tools.ConsoleProducer"]);
    java.args(["--bootstrap-server", &stage.kafka, "--topic", &stage.topic()]);
    piped(&mut java, input);
}

const PYTHON_PRODUCER: &str = "
import sys
from kafka import KafkaProducer
producer = KafkaProducer(bootstrap_servers=sys.argv[1], compression_type='gzip')
for line in sys.stdin:
    producer.send(sys.argv[2], line.strip().encode(), key=b'a key', headers=[('traceparent', b'\\xff\\x00')])
producer.flush()
producer.close()
";

const PYTHON_READER: &str = "
import sys, boto3
from botocore.config import Config
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id=sys.argv[3],
                  aws_secret_access_key=sys.argv[4], config=Config(s3={'addressing_style': 'path'}))
objects = s3.list_objects_v2(Bucket=sys.argv[2])['Contents']
key = [o['Key'] for o in objects if sys.argv[5] in o['Key']][0]
answer = s3.get_object(Bucket=sys.argv[2], Key=key)
assert answer['ContentType'] == 'application/gzip', answer['ContentType']
assert 'ContentEncoding' not in answer, answer
sys.stdout.buffer.write(answer['Body'].read())
";

#[test]
fn what_others_produce_is_stored_and_what_is_stored_others_read() {
    let Some(stage) = Stage::new(2) else { return };
    let (Some(lib), Some(python)) = (address(servers::KAFKA_LIB), address(own_clickhouse::PYTHON)) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let service = stage.start(dir.path(), &[("shop", 0, &[])], FAST);
    console_producer(&stage, &lib, &lines(1));
    let mut producer = Command::new(&python);
    piped(producer.args(["-c", PYTHON_PRODUCER, &stage.kafka, &stage.topic()]), &lines(2));
    service.wait_settled(u64::from(2 * CHUNKS));
    for session in [1, 2] {
        assert_eq!(service.ok(&["session", "export", "shop", &session_id(session)]), events(session));
    }

    // Plain SQL, and a plain gzip.
    let rows = stage.sql(&format!(
        "SELECT base64Encode(data) FROM {}.replay_chunks FINAL WHERE session_id = '{}' \
         ORDER BY timestamp_start, chunk_index",
        stage.name,
        session_id(1)
    ));
    let read: String = rows.lines().map(|row| gunzip(&replay_tests::records::unbase64(row)) + "\n").collect();
    assert_eq!(read, events(1));

    service.ok(&["migrate", "run", "--session", &format!("shop/{}", session_id(2))]);
    let (access, secret) = servers::S3_KEYS;
    let mut reader = Command::new(&python);
    reader.args(["-c", PYTHON_READER, &stage.s3, &stage.name, access, secret, &session_id(2)]);
    assert_eq!(gunzip(&piped(&mut reader, "")), events(2));
}

fn gunzip(bytes: &[u8]) -> String {
    std::io::read_to_string(flate2::read::MultiGzDecoder::new(bytes)).unwrap()
}
