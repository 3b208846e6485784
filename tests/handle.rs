//! The relay embedded in a program that has something to say itself: what it publishes arrives, and
//! whatever it asks for, from wherever, it never waits for ever.

mod common;

use common::*;
use fanfare::config::Config;
use fanfare::proto::MessageKind;
use fanfare::relay::{ConnId, Hooks, MessageId, Published};
use fanfare::server::{Gone, Handle, PublishError, ReceiptError, Server};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

struct NoHooks;

impl Hooks for NoHooks {}

/// A relay that runs in this process until the handle stops it. When `run` has returned, that is said,
/// and the server lives on.
struct Embedded {
    address: SocketAddr,
    handle: Handle,
    ended: Receiver<()>,
}

fn run(hooks: impl Hooks + 'static) -> Embedded {
    let mut config = Config::default();
    config.listen = vec!["127.0.0.1:0".parse().expect("an address")];
    let (started, start) = channel();
    let (end, ended) = channel();
    thread::spawn(move || {
        let mut server = Server::bind(&config).expect("a free port");
        server.set_hooks(hooks);
        let address = server.addresses()[0].tcp().expect("it is TCP");
        started.send((address, server.handle())).expect("it waits");
        server.run().expect("it runs");
        end.send(()).expect("it waits");
        assert!(server.run().is_err(), "it runs once");
        loop {
            thread::park();
        }
    });
    let (address, handle) = start.recv_timeout(DEADLINE).expect("it starts");
    Embedded {
        address,
        handle,
        ended,
    }
}

fn join(address: SocketAddr, path: &str) -> Client {
    let mut client = Client::connect_to(address);
    client.upgrade(path);
    client
}

/// What comes of something that must not wait for ever.
fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = channel();
    thread::spawn(move || done.send(act()));
    outcome.recv_timeout(DEADLINE).expect("it never ends")
}

#[test]
fn what_is_published_arrives_byte_for_byte() {
    let Embedded {
        address, handle, ..
    } = run(NoHooks);
    let mut readers = [join(address, "/ws/news"), join(address, "/ws/news?echo=0")];
    let mut stranger = join(address, "/ws/other");
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let publish = |kind, payload: &[u8]| handle.publish("news", kind, payload);
    publish(MessageKind::Text, "übermorgen".as_bytes()).expect("it runs");
    publish(MessageKind::Binary, &bytes).expect("it runs");
    publish(MessageKind::Text, b"").expect("it runs");
    for number in 0..3000 {
        publish(MessageKind::Text, number.to_string().as_bytes()).expect("it runs");
    }
    for reader in &mut readers {
        reader.expect_text("übermorgen");
        reader.expect_binary(&bytes);
        reader.expect_text("");
        for number in 0..3000 {
            reader.expect_text(&number.to_string());
        }
    }
    let said = handle.publish("other", MessageKind::Text, "for you");
    said.expect("it runs");
    stranger.expect_text("for you");
    assert_eq!(
        handle.counters().map(|counters| counters.messages),
        Ok(3004)
    );
    handle.stop().expect("it runs");
}

#[test]
fn what_is_refused_reaches_nobody() {
    let Embedded {
        address, handle, ..
    } = run(NoHooks);
    let mut reader = join(address, "/ws/news");
    let publish = |kind, payload| handle.publish("news", kind, payload);
    let too_large = PublishError::TooLarge { bytes_max: 1 << 20 };
    let huge = vec![b'x'; 32 << 20];
    assert_eq!(publish(MessageKind::Text, huge).err(), Some(too_large));
    let not_text = b"\xff\xfe".to_vec();
    let refused = publish(MessageKind::Text, not_text);
    assert_eq!(refused.err(), Some(PublishError::NotText));
    let largest = vec![b'x'; 1 << 20];
    publish(MessageKind::Binary, largest.clone()).expect("it runs");
    reader.expect_binary(&largest);
    handle.stop().expect("it runs");
}

#[test]
fn after_the_end_everything_is_answered_at_once() {
    let Embedded { handle, ended, .. } = run(NoHooks);
    handle.stop().expect("it runs");
    ended.recv_timeout(DEADLINE).expect("it ends");
    in_time(move || {
        assert_eq!(handle.counters().err(), Some(Gone));
        for _ in 0..2000 {
            let refused = handle.publish("news", MessageKind::Text, "x");
            assert_eq!(refused.err(), Some(PublishError::Gone));
        }
        assert_eq!(handle.stop(), Err(Gone));
    });
}

/// Asks for everything, in the middle of a turn.
struct Busybody(Arc<OnceLock<Handle>>);

impl Hooks for Busybody {
    fn on_message(&mut self, _: ConnId, message: &Published<'_>) {
        let Published { topic, kind, .. } = *message;
        let payload = message.payload;
        let handle = self.0.get().expect("it was set before anybody came");
        assert!(handle.counters().expect("it runs").opened > 0);
        match payload {
            b"flood" => {
                let publish = || handle.publish("flood", kind, payload);
                let taken = (0..).take_while(|_| publish().is_ok()).count();
                assert_eq!(publish().err(), Some(PublishError::QueueFull));
                assert!(taken > 64, "{taken}");
            }
            _ => {
                // To itself as well: nobody is told of it, or this would not end.
                let answer = format!("{topic} had {}", payload.len());
                let receipt = handle.publish(topic, kind, answer).expect("there is room");
                assert_eq!(receipt.wait(), Err(ReceiptError::OnLoop));
            }
        }
    }
}

#[test]
fn a_hook_may_publish_and_count_and_never_waits() {
    let slot = Arc::new(OnceLock::new());
    let embedded = run(Busybody(slot.clone()));
    slot.set(embedded.handle.clone()).expect("it is empty");
    let mut client = join(embedded.address, "/ws/a");
    client.send(&text("flood"));
    client.expect_text("flood");
    client.send(&[text("hello"), text("again")].concat());
    let mut heard: Vec<_> = (0..4).map(|_| client.frame().payload).collect();
    heard.sort();
    let expected: [&[u8]; 4] = [b"a had 5", b"a had 5", b"again", b"hello"];
    assert_eq!(heard, expected);
    drop(client);
    embedded.handle.stop().expect("it runs");
    embedded.ended.recv_timeout(DEADLINE).expect("it ends");
}

/// The id that a message got which is published now.
fn published(handle: &Handle, topic: &'static str) -> Result<Option<MessageId>, ReceiptError> {
    let receipt = handle
        .publish(topic, MessageKind::Text, "x")
        .expect("it runs");
    in_time(|| receipt.wait())
}

#[test]
fn a_receipt_says_which_message_it_was() {
    let embedded = run(NoHooks);
    let handle = &embedded.handle;
    assert_eq!(published(handle, "a"), Ok(None), "nobody is there");
    let mut client = join(embedded.address, "/ws/a");
    let id = |handle| {
        published(handle, "a")
            .expect("it runs")
            .expect("somebody is there")
    };
    let first = id(handle);
    client.expect_text("x");
    client.send(&text("second"));
    client.expect_text("second");
    let third = id(handle);
    assert_eq!((first.number, third.number), (1, 3));
    assert_eq!(first.epoch, third.epoch);
    client.expect_text("x");
    // A topic that everybody has left has ended; the next one of that name has messages of its own.
    drop(client);
    eventually("the topic ends", || published(handle, "a") == Ok(None));
    let client = join(embedded.address, "/ws/a");
    let again = id(handle);
    assert_eq!(again.number, 1);
    assert_ne!(again.epoch, first.epoch);
    drop(client);
    handle.stop().expect("it runs");
    embedded.ended.recv_timeout(DEADLINE).expect("it ends");
    assert!(handle.publish("a", MessageKind::Text, "x").is_err());
}
