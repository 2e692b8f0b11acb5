//! An object reads as lines, member by member, and by its index.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::*;

const CODECS: [Codec; 2] = [Codec::Gzip, Codec::Zstd];

fn decompress(codec: Codec, bytes: &[u8]) -> String {
    let mut text = String::new();
    match codec {
        Codec::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap(),
        Codec::Zstd => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_string(&mut text).unwrap(),
    };
    text
}

fn lines(chunks: u32) -> String {
    (0..chunks).map(|n| json_of(n) + "\n").collect()
}

/// Runs a decompressor if the machine has it.
fn piped_through(command: &str, args: &[&str], input: Bytes) -> Option<String> {
    let child = Command::new(command)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("SKIPPED: no `{command}` on this machine");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_object_decompresses_to_one_array_a_line() {
    for codec in CODECS {
        for chunks in [0, 1, 2, 25] {
            let (bytes, row) = object(chunks, codec);
            assert_eq!(decompress(codec, &bytes), lines(chunks));
            assert_eq!(row.object_size, bytes.len() as u64);
            assert_eq!(row_of("key".into(), &bytes).unwrap(), row);
        }
    }
}

#[test]
fn foreign_tools_read_an_object() {
    let python = "import gzip, sys; sys.stdout.write(gzip.decompress(sys.stdin.buffer.read()).decode())";
    for chunks in [25, 1_700] {
        let (gzip_object, _) = object(chunks, Codec::Gzip);
        for (command, args) in [("gzip", ["-dc"].as_slice()), ("zcat", &[]), ("python3", &["-c", python])] {
            if let Some(text) = piped_through(command, args, gzip_object.clone()) {
                assert_eq!(text, lines(chunks), "{command}");
            }
        }
        let (zstd_object, _) = object(chunks, Codec::Zstd);
        if let Some(text) = piped_through("zstd", &["-dc"], zstd_object) {
            assert_eq!(text, lines(chunks));
        }
    }
}

#[test]
fn each_member_reads_alone() {
    for codec in CODECS {
        let (bytes, row) = object(20, codec);
        for (n, entry) in (0u32..).zip(&row.index) {
            let member = &bytes[entry.offset as usize..entry.end() as usize];
            assert_eq!(decompress(codec, member), json_of(n));
            assert_eq!(member, copy(n, codec).1, "copied as it was");
            assert_eq!(entry.meta(&row.header.session, codec), copy(n, codec).0);
        }
    }
}

#[test]
fn separators_are_what_they_say() {
    for codec in CODECS {
        assert_eq!(decompress(codec, separator(codec)), "\n");
    }
    let mut one = String::new();
    flate2::read::GzDecoder::new(separator(Codec::Gzip)).read_to_string(&mut one).unwrap();
    assert_eq!(one, "\n");
}

#[test]
fn metadata_describes_the_object() {
    let built = build("key".into(), header(Codec::Gzip), Vec::new()).unwrap();
    let metadata = built.metadata();
    assert_eq!(metadata[1], ("replay-generation", "3".to_owned()));
    assert_eq!(metadata[2], ("replay-expires-at", "2024-05-30T00:00:00.000Z".to_owned()));
    assert_eq!(metadata[3].1.len(), 64);
    for (name, value) in metadata {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        assert!(value.is_ascii());
    }
}

#[test]
fn a_long_index_is_chained() {
    for codec in CODECS {
        let (bytes, row) = object(5_000, codec);
        let index = encode_index(&row.header, &row.index);
        assert!(index.len() > 5 * 65_535);
        assert_eq!(decode_index(&index).unwrap(), (row.header.clone(), row.index.clone()));
        assert_eq!(read_object(&bytes).unwrap(), (row.header.clone(), row.index.clone()));
        assert_eq!(decompress(codec, &bytes), lines(5_000));
    }
}

#[test]
fn the_tail_is_enough_or_says_how_much_is() {
    for codec in CODECS {
        let (bytes, row) = object(2_000, codec);
        let size = bytes.len() as u64;
        let tail_from = |offset: u64| &bytes[offset as usize..];
        let expected = Parsed::Index(row.header.clone(), row.index.clone());
        let Parsed::ReadFrom(offset) = read_index(tail_from(size - TAIL_LEN), size).unwrap() else {
            panic!("the index of 2,000 chunks is longer than the first read");
        };
        assert_eq!(read_index(tail_from(offset), size).unwrap(), expected);
        assert_eq!(read_index(tail_from(offset - 1), size).unwrap(), expected);
        assert_eq!(read_index(tail_from(offset + 1), size).unwrap(), Parsed::ReadFrom(offset));

        let (small, row) = object(20, codec);
        let tail = &small[small.len().saturating_sub(TAIL_LEN as usize)..];
        assert_eq!(read_index(tail, row.object_size).unwrap(), Parsed::Index(row.header, row.index));
    }
}

#[test]
fn objects_are_rewritten_from_their_own_members() {
    let (bytes, row) = object(4, Codec::Gzip);
    let mut members: Vec<Member> =
        row.index.iter().map(|entry| Member::of_object(entry, Codec::Gzip, &bytes).unwrap()).collect();
    let (meta, data) = copy(9, Codec::Gzip);
    members.push(Member::of_copy(&meta, Codec::Gzip, data).unwrap());
    let built = build("key".into(), ObjectHeader { generation: 4, ..row.header }, members).unwrap();
    let again = row_of("key".into(), &built.pieces.concat()).unwrap();
    assert_eq!(again, built.row);
    assert_eq!(again.index[..4], row.index[..]);
    assert_eq!(again.index[4].meta(&again.header.session, Codec::Gzip), meta);
}

#[test]
fn a_recompressed_member_ranks_as_the_copy_it_came_from() {
    let (meta, _) = copy(1, Codec::Zstd);
    let recompressed = compress(Codec::Gzip, &json_of(1));
    let member = Member::of_copy(&meta, Codec::Gzip, recompressed.clone()).unwrap();
    let built = build("key".into(), header(Codec::Gzip), vec![member]).unwrap();
    let [entry] = built.row.index.as_slice() else { panic!("one chunk") };
    assert_eq!(entry.rank(), meta.rank());
    assert_eq!(entry.member_hash, ContentHash::of(&recompressed));
    assert_ne!(entry.member_hash, entry.content_hash);
    assert_eq!(row_of("key".into(), &built.pieces.concat()).unwrap(), built.row);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (gzip_meta, gzip_data) = copy(1, Codec::Gzip);
    let (zstd_meta, zstd_data) = copy(1, Codec::Zstd);
    let key = gzip_meta.key;
    let refused = |result: Result<Member, ArchiveError>| result.unwrap_err();
    assert_eq!(
        refused(Member::of_copy(&zstd_meta, Codec::Gzip, zstd_data.clone())),
        ArchiveError::WrongCodec { key, codec: Codec::Gzip }
    );
    assert_eq!(
        refused(Member::of_copy(&gzip_meta, Codec::Gzip, zstd_data.clone())),
        ArchiveError::WrongHash { key }
    );
    let member = Member::of_copy(&gzip_meta, Codec::Gzip, gzip_data).unwrap();
    assert_eq!(
        build("key".into(), header(Codec::Zstd), vec![member.clone()]).unwrap_err(),
        ArchiveError::WrongCodec { key, codec: Codec::Zstd }
    );
    assert_eq!(
        build("key".into(), header(Codec::Gzip), vec![member.clone(), member]).unwrap_err(),
        ArchiveError::OutOfOrder { key }
    );
}
