use super::*;

const KEY: &[u8] = &[7; 32];
const LATEST: i64 = 4_102_444_800_000_000;

fn reader() -> EventReader {
    EventReader::new(KEY, "US", "USD").expect("a key and a region")
}

fn varint(number: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..10).map(|place| u8::try_from(number >> (7 * place) & 0x7f).expect("seven bits") | 0x80).collect();
    let last = bytes.iter().rposition(|byte| *byte != 0x80).unwrap_or_default();
    bytes.truncate(last + 1);
    bytes[last] &= 0x7f;
    bytes
}

/// A field of bytes; the number is below 16.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn digest_field(number: u8, form: u8, value: &str) -> Vec<u8> {
    field(number, &[&[0x08, form][..], &field(2, &sha256(value))].concat())
}

fn identifier(kind: u8, form: u8, value: &str) -> Vec<u8> {
    field(3, &[&[0x08, kind][..], &digest_field(4, form, value)].concat())
}

/// An event of 2024-02-29 12:00:00.5 with this claim and this payload.
fn message(claim: &[u8], payload: &[u8]) -> Vec<u8> {
    let time = [vec![0x08], varint(1_709_208_000), vec![0x10], varint(500_000_000)].concat();
    [&field(1, b"pos"), &field(2, b"e 1"), &field(3, &time), &field(4, claim), payload].concat()
}

fn read(bytes: &[u8]) -> Option<IncomingEvent<'_>> {
    reader().read(&[bytes], LATEST).remove(0)
}

fn purchase() -> Vec<u8> {
    field(5, &[&[0x08, 0x96, 0x01][..], &field(2, b"USD"), &field(3, b"s-1")].concat())
}

#[test]
fn a_purchase() {
    let name = field(4, &[field(1, b"Dr. Ana"), field(7, b"1 Main St")].concat());
    let claim = [identifier(2, 1, "+16502530000"), identifier(1, 1, "a@b.de"), identifier(1, 1, "n/a"), name].concat();
    let bytes = message(&claim, &purchase());
    let event = read(&bytes).expect("a valid event");
    assert_eq!((event.source, event.event_id, event.occurred), ("pos", "e 1", 1_709_208_000_500_000));
    assert_eq!(event.keys, [(1, "", 1, sha256("a@b.de")), (2, "", 1, sha256("+16502530000"))]);
    assert_eq!(event.seen, [(2, KeyStatus::Ok), (1, KeyStatus::Ok), (1, KeyStatus::Placeholder)]);
    assert_eq!(event.attributes[0].as_deref(), Some("ana"));
    assert_eq!((event.kind, event.amount, event.detail), (EventKind::Purchase, 150, "s-1"));
    let content = "2024-02-29T12:00:00.500000+00:00\x1fpurchase\x1f150\x1fUSD\x1fs-1";
    assert_eq!(event.digest, sha256_of(&[&event.address, content.as_bytes()]));
}

#[test]
fn raw_values_are_digested_and_customer_numbers_belong_to_their_source() {
    let claim = [field(1, b"c-7"), field(3, &[&[0x08, 1][..], &field(3, b"J.Doe@gmail.com")].concat())].concat();
    let bytes = message(&claim, &field(7, b""));
    let event = read(&bytes).expect("a valid event");
    let expected =
        [(1, "", 1, sha256("j.doe@gmail.com")), (1, "", 2, sha256("jdoe@gmail.com")), (8, "pos", 1, sha256("C7"))];
    assert_eq!(event.keys, expected);
    assert_eq!(event.kind, EventKind::CustomerChange);
}

#[test]
fn what_is_not_valid_beyond_doubt_is_left_to_others() {
    let good = identifier(1, 1, "a@b.de");
    assert!(read(&message(&good, &purchase())).is_some());
    let number =
        |kind: u8, namespace: &[u8]| field(3, &[&[0x08, kind][..], &field(2, namespace), &digest_field(4, 1, "7")].concat());
    let name = |text: &[u8]| field(4, &field(1, text));
    for claim in [
        vec![],
        identifier(1, 1, "n/a"),
        identifier(0, 1, "a"),
        identifier(9, 1, "a"),
        identifier(1, 0, "a"),
        identifier(1, 4, "a"),
        identifier(2, 2, "a"),
        number(8, b"crm"),
        number(3, b"A"),
        name(b"a\0b"),
        name(b"\xff"),
        name(b"-"),
        field(4, &field(6, b"soon")),
        field(1, b"a\x01b"),
        [&good[..], &[0x28, 1]].concat(),
        [digest_field(2, 1, "a"), field(1, b"b")].concat(),
    ] {
        assert!(read(&message(&claim, &purchase())).is_none(), "{claim:?}");
    }
    let bought = |fields: &[&[u8]]| field(5, &fields.concat());
    for payload in [
        vec![],
        bought(&[&field(2, b"EUR")]),
        bought(&[]),
        bought(&[&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], &field(2, b"USD")]),
        bought(&[&field(2, b"USD"), &field(3, &[b's'; 65])]),
        [purchase(), field(7, b"")].concat(),
        [purchase(), purchase()].concat(),
        field(8, &field(1, b"News")),
        field(8, &[&field(1, b"news")[..], &[0x10, 2]].concat()),
        field(9, b""),
    ] {
        assert!(read(&message(&good, &payload)).is_none(), "{payload:?}");
    }
}

#[test]
fn times_have_bounds() {
    let bytes = message(&identifier(1, 1, "a@b.de"), &purchase());
    let occurred = 1_709_208_000_500_000;
    assert!(reader().read(&[&bytes], occurred).remove(0).is_some());
    assert!(reader().read(&[&bytes], occurred - 1).remove(0).is_none());
    assert_eq!(microseconds(1, 999_999_999), Some(1_999_999));
    assert_eq!(microseconds(i64::MAX, 0), None);
    assert_eq!(microseconds(0, 1_000_000_000), None);
}

#[test]
fn times_are_written_as_the_service_does() {
    for (occurred, text) in [
        (EARLIEST, "2000-01-01T00:00:00+00:00"),
        (951_782_400_000_000, "2000-02-29T00:00:00+00:00"),
        (1_735_689_599_999_999, "2024-12-31T23:59:59.999999+00:00"),
        (4_107_542_400_000_000, "2100-03-01T00:00:00+00:00"),
        (253_402_300_799_000_001, "9999-12-31T23:59:59.000001+00:00"),
    ] {
        assert_eq!(written(occurred), text);
    }
}

#[test]
fn many_messages_keep_their_order() {
    let claim = identifier(1, 1, "a@b.de");
    let messages: Vec<Vec<u8>> =
        (0..1_500).map(|row| message(&claim, &if row % 3 == 0 { vec![] } else { purchase() })).collect();
    let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let events = reader().read(&slices, LATEST);
    assert!(events.iter().enumerate().all(|(row, event)| event.is_none() == (row % 3 == 0)));
}
