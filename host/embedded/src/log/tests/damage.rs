//! Damage to what was answered: skipped, counted, never cut away with what can still be read.

use replay_ports::PortError;

use super::sim::SimDisk;
use super::*;
use crate::log::format::{HEADER_BYTES, encode_header};
use crate::log::segments::file_name;

/// One segment, three writes: offsets 0, 1..4, 4..9; with the position of each frame.
fn three_writes() -> (SimDisk, Vec<u64>) {
    let disk = SimDisk::default();
    let mut log = writer(&disk, LogSettings::default()).unwrap();
    for range in [0..1, 1..4, 4..9] {
        assert!(write(&mut log, range.map(entry).collect()).0);
    }
    let sizes = (0..9).map(|n| entry(n).frame_bytes());
    let positions = sizes.scan(HEADER_BYTES, |at, size| Some(std::mem::replace(at, *at + size))).collect();
    (disk, positions)
}

fn with_flipped(disk: &SimDisk, name: &str, at: u64) -> SimDisk {
    let copy = SimDisk::default();
    for other in disk.names() {
        copy.put(&other, disk.content(&other));
    }
    let mut content = disk.content(name);
    content[at as usize] ^= 0x10;
    copy.put(name, content);
    copy
}

fn offsets(log: &Writer) -> Vec<u64> {
    read_all(&log.shared(), 0, 64).iter().map(|record| record.at.offset).collect()
}

#[test]
fn a_flipped_bit_anywhere_costs_one_record_and_is_counted() {
    let (disk, positions) = three_writes();
    let name = file_name(0);
    for at in HEADER_BYTES..positions[4] {
        let damaged = with_flipped(&disk, &name, at);
        let lost = positions.iter().rposition(|&position| position <= at).unwrap() as u64;
        let mut log = writer(&damaged, LogSettings::default()).unwrap();
        assert_eq!(damaged.content(&name).len(), disk.content(&name).len(), "nothing is cut");
        let rest: Vec<u64> = (0..9).filter(|&offset| offset != lost).collect();
        assert_eq!(offsets(&log), rest, "byte {at}");
        assert_eq!(log.shared().counters.gaps.load(SeqCst), 1);
        assert_eq!(log.shared().counters.lost_records.load(SeqCst), 1);
        assert_eq!(write(&mut log, vec![entry(9)]).1, [Some(9)]);
        assert_eq!(reader::fetch(&log.shared(), lost, 1, 64).unwrap(), None);
        assert!(is(&reader::fetch(&log.shared(), 8, 1, 64).unwrap().unwrap(), &entry(8)));
    }
}

#[test]
fn a_flipped_bit_in_the_last_write_looks_torn_and_is_cut() {
    let (disk, positions) = three_writes();
    let name = file_name(0);
    for at in positions[4]..disk.content(&name).len() as u64 {
        let damaged = with_flipped(&disk, &name, at);
        let first_bad = positions.iter().rposition(|&position| position <= at).unwrap();
        let log = writer(&damaged, LogSettings::default()).unwrap();
        assert_eq!(offsets(&log), (0..first_bad as u64).collect::<Vec<_>>(), "byte {at}");
        let cut = disk.content(&name).len() as u64 - positions[first_bad];
        assert_eq!(log.shared().counters.cut_bytes.load(SeqCst), cut);
        assert_eq!(damaged.content(&name).len() as u64, positions[first_bad]);
    }
}

#[test]
fn what_was_committed_was_durable_so_damage_to_it_is_no_torn_write() {
    let (disk, positions) = three_writes();
    for (damaged_offset, committed, left) in [(4, 5, 8), (4, 4, 4), (6, 7, 8), (7, 6, 7), (8, 9, 8)] {
        let damaged = with_flipped(&disk, &file_name(0), positions[damaged_offset] + 12);
        let mut log = writer_from(&damaged, LogSettings::default(), committed).unwrap();
        let offsets = read_all(&log.shared(), 0, 64);
        assert_eq!(offsets.len(), left, "{damaged_offset} of {committed}");
        let next = log.shared().segments().end;
        assert!(next >= committed);
        assert_eq!(write(&mut log, vec![entry(0)]).1, [Some(next)]);
    }
}

#[test]
fn damage_in_an_earlier_segment_is_skipped_up_to_the_next_frame() {
    let disk = SimDisk::default();
    let mut log = writer(&disk, small()).unwrap();
    for n in 0..20 {
        assert!(write(&mut log, vec![entry(n)]).0);
    }
    let first_of_second = log.shared().segments().list[1].base;
    let size = disk.content(&file_name(0)).len() as u64;
    let last_of_first = size - entry(first_of_second - 1).frame_bytes();
    for (at, lost) in [(HEADER_BYTES + 3, 0), (last_of_first + 9, first_of_second - 1)] {
        let log = writer(&with_flipped(&disk, &file_name(0), at), small()).unwrap();
        assert_eq!(offsets(&log), (0..20).filter(|&offset| offset != lost).collect::<Vec<_>>());
        assert_eq!(log.shared().counters.lost_records.load(SeqCst), 1);
    }
}

#[test]
fn a_damaged_header_loses_its_segment_loudly_and_no_offset_is_used_twice() {
    let disk = SimDisk::default();
    let mut log = writer(&disk, small()).unwrap();
    for n in 0..20 {
        assert!(write(&mut log, vec![entry(n)]).0);
    }
    let bases: Vec<u64> = log.shared().segments().list.iter().map(|segment| segment.base).collect();
    for at in 0..HEADER_BYTES {
        let early = writer(&with_flipped(&disk, &file_name(bases[1]), at), small()).unwrap();
        assert_eq!(offsets(&early), (0..bases[1]).chain(bases[2]..20).collect::<Vec<_>>());
        assert_eq!(early.shared().counters.lost_records.load(SeqCst), bases[2] - bases[1]);

        let last = *bases.last().unwrap();
        let damaged = with_flipped(&disk, &file_name(last), at);
        let mut late = writer(&damaged, small()).unwrap();
        let (_, added) = write(&mut late, vec![entry(3)]);
        let added = added[0].unwrap();
        assert!(added >= 20);
        assert_eq!(offsets(&late), (0..last).chain([added]).collect::<Vec<_>>());
        assert_eq!(damaged.content(&file_name(last)).len(), disk.content(&file_name(last)).len());
        assert_eq!(
            offsets(&writer(&damaged, small()).unwrap()),
            (0..last).chain([added]).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_missing_segment_is_a_gap() {
    let disk = SimDisk::default();
    let mut log = writer(&disk, small()).unwrap();
    for n in 0..20 {
        assert!(write(&mut log, vec![entry(n)]).0);
    }
    let bases: Vec<u64> = log.shared().segments().list.iter().map(|segment| segment.base).collect();
    disk.remove(&file_name(bases[1])).unwrap();
    let log = writer(&disk, small()).unwrap();
    assert_eq!(offsets(&log), (0..bases[1]).chain(bases[2]..20).collect::<Vec<_>>());
    assert_eq!(log.shared().counters.gaps.load(SeqCst), 1);
}

#[test]
fn a_payload_that_imitates_frames_never_becomes_a_record() {
    let disk = SimDisk::default();
    let mut log = writer(&disk, LogSettings::default()).unwrap();
    let mut forged = Vec::new();
    for offset in 0..4 {
        entry(7).encode(0, offset, 0, &mut forged);
    }
    let forger = Entry { payload: forged.into(), received_at_ms: 1, replay_of: None };
    assert!(write(&mut log, vec![forger]).0);
    assert!(write(&mut log, vec![entry(1)]).0);
    let log = writer(&with_flipped(&disk, &file_name(0), HEADER_BYTES), LogSettings::default()).unwrap();
    assert_eq!(offsets(&log), [1]);
}

#[test]
fn a_payload_full_of_heads_does_not_stall_the_search() {
    let disk = SimDisk::default();
    let mut log = writer(&disk, LogSettings::default()).unwrap();
    let mut head = Vec::new();
    let claims_much = Entry { payload: vec![0; 1 << 20].into(), received_at_ms: 1, replay_of: None };
    claims_much.encode(0, 1, 0, &mut head);
    let heads = head[..33].repeat(2 << 20 >> 5);
    assert!(write(&mut log, vec![Entry { payload: heads.into(), received_at_ms: 1, replay_of: None }]).0);
    assert!(write(&mut log, vec![entry(1)]).0);
    let damaged = with_flipped(&disk, &file_name(0), HEADER_BYTES);
    assert_eq!(offsets(&writer(&damaged, LogSettings::default()).unwrap()), [1]);
}

#[test]
fn a_frame_that_does_not_belong_there_is_not_delivered_again() {
    let (disk, positions) = three_writes();
    let name = file_name(0);
    let mut content = disk.content(&name);
    content.extend_from_within(positions[1] as usize..positions[3] as usize);
    disk.put(&name, content);
    let mut log = writer(&disk, LogSettings::default()).unwrap();
    assert_eq!(offsets(&log), (0..9).collect::<Vec<_>>());
    assert_eq!(write(&mut log, vec![entry(9)]).1, [Some(9)]);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let disk = SimDisk::default();
    let mut log = writer(&disk, small()).unwrap();
    assert!(write(&mut log, vec![entry(0)]).0);
    let mut header = encode_header(1, 1);
    header[8] = 2;
    let checksum = crc32c::crc32c(&header[..24]).to_le_bytes();
    header[24..].copy_from_slice(&checksum);
    disk.put(&file_name(1), header);
    match writer(&disk, small()).err() {
        Some(PortError::Refused { what }) => {
            assert!(what.contains("00000000000000000001.log") && what.contains("format 2"), "{what}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_that_ends_before_the_committed_offset_goes_on_behind_it() {
    let offsets = Arc::new(MemoryOffsets(AtomicU64::new(40)));
    let disk = SimDisk::default();
    let mut log = writer(&disk, small()).unwrap();
    assert!(write(&mut log, vec![entry(0)]).0);
    let log = open(&disk, small(), &offsets).unwrap();
    assert_eq!(log.end_offsets(), [(0, 40)]);
    assert_eq!(log.status().gaps, 1);
    drop(log);
    let log = open(&disk, small(), &offsets).unwrap();
    assert_eq!((log.end_offsets(), log.status().gaps), (vec![(0, 40)], 0));
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let disk = SimDisk::default();
    for name in ["lock", "1.log", "0000000000000000000x.log", "99999999999999999999.log"] {
        disk.put(name, vec![1, 2, 3]);
    }
    let mut log = writer(&disk, small()).unwrap();
    assert_eq!(write(&mut log, vec![entry(0)]).1, [Some(0)]);
    assert_eq!(disk.names().len(), 5);
}
