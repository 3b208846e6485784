//! The relay embedded in a program: what its hooks see, and what they may decide.

mod common;

use common::*;
use fanfare::config::Config;
use fanfare::http::Status;
use fanfare::relay::{ConnId, Decision, Hooks, Published, TopicRequest};
use fanfare::server::{Handle, Server};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Notes everything.
struct Witness(Sender<String>);

impl Witness {
    fn note(&self, what: String) {
        // The test may have ended.
        let _ = self.0.send(what);
    }
}

impl Hooks for Witness {
    fn on_request(&mut self, request: &TopicRequest<'_>) -> Decision {
        self.note(format!("{} asks for {}", request.client, request.topic));
        match request.topic {
            "forbidden" => Decision::Refuse(Status::Unauthorized, "No.".into()),
            "elsewhere" => Decision::Topic("here".into()),
            _ => Decision::Accept,
        }
    }

    fn on_join(&mut self, _: ConnId, topic: &str) {
        self.note(format!("joined {topic}"));
    }

    fn on_leave(&mut self, _: ConnId, topic: &str) {
        self.note(format!("left {topic}"));
    }

    fn on_message(&mut self, _: ConnId, message: &Published<'_>) {
        let Published { topic, kind, .. } = message;
        let (number, payload) = (message.id.number, String::from_utf8_lossy(message.payload));
        self.note(format!("{kind:?} in {topic}: {number}, {payload}"));
    }
}

/// Runs a relay in this process, until the handle stops it.
fn run(change: impl FnOnce(&mut Config)) -> (SocketAddr, Handle, Receiver<String>) {
    let mut config = Config::default();
    config.listen = vec!["127.0.0.1:0".parse().expect("an address")];
    change(&mut config);
    let (note, notes) = channel();
    let (started, start) = channel();
    thread::spawn(move || {
        let mut server = Server::bind(&config).expect("a free port");
        server.set_hooks(Witness(note));
        let address = server.addresses()[0].tcp().expect("it is TCP");
        started.send((address, server.handle())).expect("it waits");
        server.run().expect("it runs");
    });
    let (address, handle) = start.recv_timeout(DEADLINE).expect("it starts");
    (address, handle, notes)
}

#[test]
fn hooks_decide_on_requests_and_are_told_what_happens() {
    let (address, handle, notes) = run(|_| {});
    let next = || notes.recv_timeout(DEADLINE).expect("a note");
    let mut client = Client::connect_to(address);
    let peer = client.local_address();
    client.upgrade("/ws/room");
    assert_eq!(next(), format!("{peer} asks for room"));
    assert_eq!(next(), "joined room");
    client.send(&text("hello"));
    assert_eq!(next(), "Text in room: 1, hello");
    drop(client);
    assert_eq!(next(), "left room");

    let mut client = Client::connect_to(address);
    client.upgrade("/ws/elsewhere");
    assert!(next().ends_with("asks for elsewhere"));
    assert_eq!(next(), "joined here");

    let mut refused = Client::connect_to(address);
    refused.send(&upgrade("/ws/forbidden"));
    assert_eq!(refused.response().status, 401);
    handle.stop().expect("it runs");
}

#[test]
fn hooks_see_the_client_behind_a_proxy() {
    let (address, handle, notes) = run(|config| {
        config.client_address = "forwarded-for".parse().expect("a way");
        config.trusted_proxy = vec!["127.0.0.1".parse().expect("a network")];
    });
    let mut client = Client::connect_to(address);
    client.send(&upgrade_and(&["X-Forwarded-For: 203.0.113.7"]));
    client.expect_upgraded();
    let note = notes.recv_timeout(DEADLINE).expect("a note");
    assert_eq!(note, "203.0.113.7 asks for lobby");
    handle.stop().expect("it runs");

    let (address, handle, notes) = run(|config| {
        config.client_address = "proxy-protocol".parse().expect("a way");
        config.trusted_proxy = vec!["127.0.0.1".parse().expect("a network")];
    });
    let mut client = Client::connect_to(address);
    let header = b"PROXY TCP6 2001:db8::1 ::1 4711 80\r\n";
    client.send(&[header, &upgrade("/ws")[..]].concat());
    client.expect_upgraded();
    let note = notes.recv_timeout(DEADLINE).expect("a note");
    assert_eq!(note, "[2001:db8::1]:4711 asks for lobby");
    handle.stop().expect("it runs");
}
