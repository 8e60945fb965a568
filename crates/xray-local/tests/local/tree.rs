//! Documents to send and trees to compare.

use std::fmt::Write as _;
use std::net::UdpSocket;

use xray_local::{Outcome, Receiver, Store, Trace};

pub(crate) const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

/// Returns a datagram with a document.
pub(crate) fn datagram(document: &str) -> Vec<u8> {
    format!("{{\"format\":\"json\",\"version\":1}}\n{document}").into_bytes()
}

/// Returns a datagram with a document of [`TRACE`] that has this id, name and further members.
pub(crate) fn document(id: u64, name: &str, members: &str) -> Vec<u8> {
    datagram(&format!(r#"{{"trace_id":"{TRACE}","id":"{id:016x}","name":"{name}"{members}}}"#))
}

/// Returns the only trace of a store that received these datagrams.
pub(crate) fn trace(datagrams: &[Vec<u8>]) -> Trace {
    let store = Store::new();
    for datagram in datagrams {
        store.accept(datagram).unwrap();
    }
    let mut traces = store.traces();
    assert_eq!(traces.len(), 1);
    traces.remove(0)
}

/// Sends datagrams through a socket and drops the receiver, which waits until all have been read.
pub(crate) fn receive(datagrams: &[Vec<u8>]) -> Store {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    let store = receiver.store().clone();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in datagrams {
        socket.send_to(datagram, receiver.address()).unwrap();
    }
    drop(receiver);
    store
}

/// Formats a trace as an indented tree.
pub(crate) fn tree(trace: &Trace) -> String {
    let mut out = String::new();
    for node in trace.nodes() {
        let outcome = match node.outcome() {
            Outcome::Ok => "",
            Outcome::Error => " error",
            Outcome::Throttle => " throttle",
            Outcome::Fault => " fault",
            _ => " ?",
        };
        let open = if node.is_in_progress() { " in progress" } else { "" };
        let orphan = if node.is_orphan() { " orphan" } else { "" };
        writeln!(out, "{}{}{outcome}{open}{orphan}", "  ".repeat(node.depth()), node.name()).unwrap();
    }
    out
}
