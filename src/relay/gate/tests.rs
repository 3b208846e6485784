//! Tests of the gate by its face.

use super::*;
use crate::proxy::Trusted;
use std::net::IpAddr;

const NOW: Tick = Tick(7);

fn peer(n: u8) -> PeerAddress {
    PeerAddress::Tcp(([192, 0, 2, n], 80).into())
}

/// A gate that lets in this many connections of an address.
fn bounded(address_connections_max: u16, change: impl FnOnce(&mut Admission)) -> Gate {
    let mut admission = Admission {
        address_connections_max: Some(address_connections_max),
        ..Admission::default()
    };
    change(&mut admission);
    let mut gate = Gate::default();
    gate.set_limits(&admission, Rates::default(), 0, false);
    gate
}

fn trusted() -> Trusted {
    std::iter::once("192.0.2.9".parse().expect("a network")).collect()
}

fn id(slot: u32) -> ConnId {
    ConnId {
        slot: Slot(slot),
        generation: 0,
    }
}

#[test]
fn an_address_has_so_many_connections_and_one_that_goes_makes_way() {
    let mut gate = bounded(2, |_| {});
    let enter = |gate: &mut Gate, slot, n| gate.enter(Slot(slot), peer(n), NOW);
    assert_eq!(enter(&mut gate, 0, 1), Ok(()));
    assert_eq!(enter(&mut gate, 1, 1), Ok(()));
    assert_eq!(enter(&mut gate, 2, 1), Err(AdmissionRefusal::TooMany));
    assert_eq!(enter(&mut gate, 3, 2), Ok(()));
    // One that was refused was not counted.
    gate.leave(id(2));
    assert_eq!(enter(&mut gate, 2, 1), Err(AdmissionRefusal::TooMany));
    gate.leave(id(0));
    assert_eq!(enter(&mut gate, 0, 1), Ok(()));
}

#[test]
fn new_connections_of_an_address_have_a_rate_of_their_own() {
    let mut gate = bounded(100, |admission| {
        admission.address_connections_per_second_max = Some(1);
    });
    for slot in 0..5 {
        let entered = gate.enter(Slot(slot), peer(1), NOW);
        assert_eq!(entered, Ok(()));
        gate.leave(id(slot));
    }
    let entered = gate.enter(Slot(5), peer(1), NOW);
    assert_eq!(entered, Err(AdmissionRefusal::TooFast));
    let later = NOW.after(10);
    let entered = gate.enter(Slot(5), peer(1), later);
    assert_eq!(entered, Ok(()));
}

#[test]
fn a_connection_of_a_proxy_is_counted_once_its_client_is_known() {
    let mut gate = bounded(1, |admission| {
        admission.client_address = ClientAddress::ProxyProtocol;
        admission.trusted = trusted();
    });
    for slot in 0..3 {
        assert_eq!(gate.enter(Slot(slot), peer(9), NOW), Ok(()));
        assert!(gate.awaits_header(Slot(slot)));
    }
    let client = NamedClient::Tcp(([198, 51, 100, 1], 4711).into());
    assert_eq!(gate.on_header(Slot(0), client, NOW), Ok(()));
    assert!(!gate.awaits_header(Slot(0)));
    let expected: IpAddr = [198, 51, 100, 1].into();
    assert!(matches!(gate.client(Slot(0)), Some(PeerAddress::Tcp(it)) if it.ip() == expected));
    let refused = gate.on_header(Slot(1), client, NOW);
    assert_eq!(refused, Err(AdmissionRefusal::TooMany));
    // A client on the proxy's own machine has no address, and no bound.
    assert_eq!(gate.on_header(Slot(2), NamedClient::Unix, NOW), Ok(()));
    // What is no trusted proxy is its own client.
    assert_eq!(gate.enter(Slot(3), peer(1), NOW), Ok(()));
    assert!(!gate.awaits_header(Slot(3)));
}

#[test]
fn a_forwarded_request_is_its_clients_until_it_is_answered() {
    let mut gate = bounded(1, |admission| {
        admission.client_address = ClientAddress::ForwardedFor;
        admission.trusted = trusted();
    });
    let text = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
    let head = Head::parse(text).expect("a head");
    for slot in 0..2 {
        assert_eq!(gate.enter(Slot(slot), peer(9), NOW), Ok(()));
        assert!(gate.is_forwarded(Slot(slot), &head));
    }
    let proxy = gate.begin_request(Slot(0), &head);
    assert_eq!(proxy, Some(peer(9)));
    assert_ne!(gate.client(Slot(0)), proxy);
    gate.end_request(Slot(0), peer(9));
    assert_eq!(gate.client(Slot(0)), proxy);
    // What opens a WebSocket is counted, and is no other client's afterwards.
    gate.begin_request(Slot(0), &head);
    assert_eq!(gate.on_upgrade(Slot(0), NOW), Ok(()));
    assert!(!gate.is_forwarded(Slot(0), &head));
    gate.begin_request(Slot(1), &head);
    let refused = gate.on_upgrade(Slot(1), NOW);
    assert_eq!(refused, Err(AdmissionRefusal::TooMany));
}

#[test]
fn the_oldest_of_the_admin_listener_goes_for_one_too_many() {
    let mut gate = Gate::default();
    for slot in 0..ADMIN_CONNECTIONS_MAX as u32 {
        assert_eq!(gate.enter_admin(id(slot), peer(1)), None);
    }
    assert_eq!(gate.enter_admin(id(77), peer(1)), Some(id(0)));
    assert!(!gate.is_admin(id(0)) && gate.is_admin(id(1)) && gate.is_admin(id(77)));
    gate.leave(id(1));
    assert_eq!(gate.admins(), ADMIN_CONNECTIONS_MAX - 1);
    assert_eq!(gate.enter_admin(id(78), peer(1)), None);
}

#[test]
fn a_quota_bounds_one_websocket_and_the_next_in_its_slot_has_its_own() {
    let mut gate = Gate::default();
    let rates = Rates {
        messages_per_second_max: Some(1),
        bytes_per_second_max: Some(100_000),
    };
    gate.set_limits(&Admission::default(), rates, 1000, false);
    let slot = Slot(3);
    for _ in 0..5 {
        assert_eq!(gate.take_message(slot, NOW), Ok(()));
    }
    let over = gate.take_message(slot, NOW);
    assert_eq!(over, Err(OverQuota::Messages(1)));
    assert_eq!(gate.take_message(Slot(4), NOW), Ok(()));
    assert_eq!(gate.take_bytes(slot, 500_000, NOW), Ok(()));
    let over = gate.take_bytes(slot, 1, NOW);
    assert_eq!(over, Err(OverQuota::Bytes(100_000)));
    gate.open(slot);
    assert_eq!(gate.take_bytes(slot, 1, NOW), Ok(()));
    assert_eq!(gate.take_message(slot, NOW), Ok(()));
    // Without a bound, nothing is counted.
    gate.set_limits(&Admission::default(), Rates::default(), 1000, false);
    assert_eq!(gate.take_bytes(slot, usize::MAX, NOW), Ok(()));
}

#[test]
fn addresses_are_kept_only_for_what_asks_for_them() {
    let mut gate = Gate::default();
    for (has_hooks, expected) in [(false, None), (true, Some(peer(1))), (false, None)] {
        gate.set_limits(&Admission::default(), Rates::default(), 0, has_hooks);
        assert_eq!(gate.enter(Slot(0), peer(1), NOW), Ok(()));
        assert_eq!(gate.client(Slot(0)), expected);
    }
}
