//! Golden bytes and garbage for the netlink reader and builder.

use super::*;

#[test]
fn a_built_message_reads_back() {
    let mut out = Vec::new();
    let mut builder = Builder::new(&mut out, 0x102, 4, 7, &[2, 0, 0, 0]);
    builder.put(9, &[1]);
    builder.nest(3, |inner| inner.put_be16(1, 0x1234));
    assert_eq!(builder.finish(), 40);
    assert_eq!(
        out,
        [
            40, 0, 0, 0, 2, 1, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 9, 0, 1, 0, 0, 0, 12, 0, 3,
            0x80, 6, 0, 1, 0, 0x12, 0x34, 0, 0
        ]
    );
    let (message, rest) = parse_message(&out).unwrap();
    assert!(rest.is_empty());
    assert_eq!((message.kind, message.flags, message.sequence), (0x102, 5, 7));
    let attributes = Attributes::new(&message.payload[4..]);
    assert_eq!(attributes.clone().find_kind(9).unwrap().u8(), Ok(1));
    assert_eq!(attributes.clone().find_kind(3).unwrap().nested().find_kind(1).unwrap().be16(), Ok(0x1234));
    assert_eq!(attributes.find_kind(4), Err(ParseError::Missing(4)));
}

#[test]
fn every_truncation_ends_with_an_error_or_fewer_attributes() {
    let mut out = Vec::new();
    let mut builder = Builder::new(&mut out, 1, 0, 0, &[0; 4]);
    builder.put(1, &[1, 2, 3]);
    builder.finish();
    for length in 0..out.len() {
        let mut messages = Messages::new(&out[..length]);
        assert!(messages.next().is_none_or(|message| message.is_err()));
        assert!(messages.next().is_none());
    }
    assert_eq!(parse_message(&[0; 16]), Err(ParseError::Length));
    assert_eq!(Attributes::new(&[3, 0, 0, 0]).next(), Some(Err(ParseError::Length)));
}

#[test]
fn an_error_message_without_code_is_still_an_error() {
    let message = Message { kind: libc::NLMSG_ERROR as u16, flags: 0, sequence: 0, portid: 0, payload: &[] };
    assert_eq!(message.error_code(), Some(libc::EPROTO));
    let code = i32::MIN.to_ne_bytes();
    assert!(Message { payload: &code, ..message }.error_code().is_some());
}
