//! Sends several datagrams by one system call, where the system has one.
//!
//! Linux cuts the payload of a call into datagrams of one length, of which only the last may be shorter (`UDP_SEGMENT`).
//! They pass through the network's layers as one packet, so that several cost little more than one. Documents of nearly
//! the same length are made equally long by spaces before their last brace, which JSON allows.

use std::io;
use std::net::UdpSocket;

use crate::document::Document;

/// The largest number of spaces in a document. Requests of one route seldom differ by more.
pub(super) const PADDING: usize = 64;

/// The largest payload of a call: what a datagram may have over IPv4.
#[cfg(target_os = "linux")]
const PAYLOAD: usize = 65_507;

/// Returns how many datagrams of these lengths leave together, from the first on, and the longest of these.
#[cfg(target_os = "linux")]
fn first_group(lengths: impl Iterator<Item = usize>) -> (usize, usize) {
    let (mut count, mut shortest, mut longest) = (0, usize::MAX, 0);
    for length in lengths {
        let longer = longest.max(length);
        if longer * count + length > PAYLOAD || longer > shortest.saturating_add(PADDING) {
            break;
        }
        count += 1;
        longest = longer;
        if length + PADDING < longest {
            break; // the last may be shorter
        }
        shortest = shortest.min(length);
    }
    (count, longest)
}

/// Sends the first of these documents, as many as leave by one call. Returns their number.
pub(super) fn send(socket: &UdpSocket, documents: &[Document]) -> io::Result<usize> {
    let Some(first) = documents.first() else { return Ok(0) };
    #[cfg(target_os = "linux")]
    {
        let (count, longest) = first_group(documents.iter().map(|document| document.datagram().len()));
        if count > 1 && linux_cuts(socket) {
            return send_cut(socket, &documents[..count], longest).map(|()| count);
        }
    }
    socket.send(first.datagram()).map(|_| 1)
}

/// Sends these documents as one payload, which the kernel cuts. All but the last get the length of the longest.
#[cfg(target_os = "linux")]
fn send_cut(socket: &UdpSocket, documents: &[Document], longest: usize) -> io::Result<()> {
    use std::io::IoSlice;
    use std::os::fd::AsRawFd;

    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

    const SPACES: [u8; PADDING] = [b' '; PADDING];

    let Some((last, others)) = documents.split_last() else { return Ok(()) };
    let mut payload = Vec::with_capacity(3 * documents.len());
    for document in others {
        let datagram = document.datagram();
        match &SPACES[..longest - datagram.len()] {
            [] => payload.push(IoSlice::new(datagram)),
            spaces => {
                let (members, brace) = datagram.split_at(datagram.len() - 1);
                payload.extend([members, spaces, brace].map(IoSlice::new));
            }
        }
    }
    payload.push(IoSlice::new(last.datagram()));
    let length = longest as u16; // at most the payload
    sendmsg::<()>(socket.as_raw_fd(), &payload, &[ControlMessage::UdpGsoSegments(&length)], MsgFlags::empty(), None)?;
    Ok(())
}

/// Whether the kernel knows `UDP_SEGMENT`. One that does not (before 4.18) ignores it in a call, and would send everything
/// as one datagram.
#[cfg(target_os = "linux")]
fn linux_cuts(socket: &UdpSocket) -> bool {
    use std::sync::OnceLock;

    use nix::sys::socket::{getsockopt, sockopt::UdpGsoSegment};

    static IS_KNOWN: OnceLock<bool> = OnceLock::new();
    *IS_KNOWN.get_or_init(|| getsockopt(socket, UdpGsoSegment).is_ok())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::{document, receive, receiver};
    use super::*;

    #[test]
    fn documents_of_nearly_the_same_length_leave_together() {
        for (lengths, count, longest) in [
            (&[][..], 0, 0),
            (&[300], 1, 300),
            (&[300, 300, 300], 3, 300),
            (&[300, 364, 310], 3, 364),
            (&[364, 300, 364], 3, 364),
            (&[300, 365, 365], 1, 300),
            (&[330, 300, 365], 2, 330),
            (&[300, 100, 300], 2, 300),
            (&[40_000, 25_507, 1], 2, 40_000),
            (&[40_000, 25_508], 1, 40_000),
            (&[65_508, 300], 0, 0),
        ] {
            assert_eq!(first_group(lengths.iter().copied()), (count, longest), "{lengths:?}");
        }
    }

    #[test]
    fn spaces_are_only_in_what_is_shorter_and_not_last() {
        let daemon = receiver();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(daemon.local_addr().unwrap()).unwrap();
        let documents = [document(0, 290), document(1, 300), document(2, 299), document(3, 200), document(4, 200)];
        assert_eq!(send(&socket, &documents).unwrap(), 4);
        for (document, spaces) in documents.iter().zip([10, 0, 1, 0]) {
            let text = String::from_utf8(document.datagram().to_vec()).unwrap();
            let padded = format!("{}{:spaces$}}}", text.strip_suffix('}').unwrap(), "");
            assert_eq!(String::from_utf8(receive(&daemon)).unwrap(), padded);
        }
        assert_eq!(send(&socket, &documents[4..]).unwrap(), 1);
        assert_eq!(receive(&daemon), documents[4].datagram());
        assert_eq!(send(&socket, &[]).unwrap(), 0);
    }

    proptest! {
        #[test]
        fn a_group_is_a_payload_that_can_be_cut(lengths in prop::collection::vec(prop_oneof![1..400_usize, 1..70_000_usize], 0..40)) {
            let (count, longest) = first_group(lengths.iter().copied());
            let (group, rest) = lengths.split_at(count);
            prop_assert_eq!(longest, group.iter().copied().max().unwrap_or_default());
            prop_assert_eq!(count == 0, lengths.first().is_none_or(|first| *first > PAYLOAD));
            if let Some((last, others)) = group.split_last() {
                prop_assert!(others.len() * longest + last <= PAYLOAD);
                prop_assert!(others.iter().all(|length| longest - length <= PADDING));
                // What follows would not fit.
                if let Some(next) = rest.first() {
                    let longer = longest.max(*next);
                    let fits = longer * count + next <= PAYLOAD && group.iter().all(|length| longer - length <= PADDING);
                    prop_assert!(!fits);
                }
            }
        }
    }
}
