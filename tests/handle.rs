//! The relay embedded in a program that publishes messages of its own: they arrive, and no call of a handle,
//! on whichever thread, waits for ever.

mod common;

use common::*;
use fanfare::config::Config;
use fanfare::proto::MessageKind;
use fanfare::relay::{ConnId, Hooks, MessageId, Published};
use fanfare::server::{Gone, Handle, PublishError, Receipt, ReceiptError, Server};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
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
    run_with(hooks, |_| {})
}

fn run_with(hooks: impl Hooks + 'static, change: impl FnOnce(&mut Config)) -> Embedded {
    let mut config = Config::default();
    config.listen = vec!["127.0.0.1:0".parse().expect("an address")];
    change(&mut config);
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
fn what_is_refused_reaches_no_client() {
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
        let handle = self
            .0
            .get()
            .expect("it was set before the first connection");
        assert!(handle.counters().expect("it runs").opened > 0);
        match payload {
            b"flood" => {
                let publish = || handle.publish("flood", kind, payload);
                let taken = (0..).take_while(|_| publish().is_ok()).count();
                assert_eq!(publish().err(), Some(PublishError::QueueFull));
                assert!(taken > 64, "{taken}");
            }
            _ => {
                // Into its own topic as well: no hook is told of it, or this would not end.
                let answer = format!("{topic} had {}", payload.len());
                let receipt = handle.publish(topic, kind, answer).expect("there is space");
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
    let mut received: Vec<_> = (0..4).map(|_| client.frame().payload).collect();
    received.sort();
    let expected: [&[u8]; 4] = [b"a had 5", b"a had 5", b"again", b"hello"];
    assert_eq!(received, expected);
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
    assert_eq!(published(handle, "a"), Ok(None), "no member is there");
    let mut client = join(embedded.address, "/ws/a");
    let id = |handle| {
        published(handle, "a")
            .expect("it runs")
            .expect("a member is there")
    };
    let first = id(handle);
    client.expect_text("x");
    client.send(&text("second"));
    client.expect_text("second");
    let third = id(handle);
    assert_eq!((first.number, third.number), (1, 3));
    assert_eq!(first.epoch, third.epoch);
    client.expect_text("x");
    // A topic ends with its last member; the next one of that name has messages of its own.
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

/// Holds the loop in the middle of a turn, at each message, until the test has something done there.
struct Gate {
    held: Sender<()>,
    tasks: Receiver<Task>,
}

type Task = Box<dyn FnOnce() + Send>;

impl Hooks for Gate {
    fn on_message(&mut self, _: ConnId, _: &Published<'_>) {
        self.held.send(()).expect("the test waits");
        let task = self.tasks.recv().expect("the test has something to do");
        task();
    }
}

/// The test's side of a gate, and a client that comes to it.
struct Gatekeeper {
    client: Client,
    held: Receiver<()>,
    tasks: Sender<Task>,
}

impl Gatekeeper {
    fn run(change: impl FnOnce(&mut Config)) -> (Embedded, Gatekeeper) {
        let ((held, is_held), (tasks, todo)) = (channel(), channel());
        let embedded = run_with(Gate { held, tasks: todo }, change);
        let gatekeeper = Gatekeeper {
            client: join(embedded.address, "/ws/gate"),
            held: is_held,
            tasks,
        };
        (embedded, gatekeeper)
    }

    /// Has the loop come to the gate; if it is held there, it will come again.
    fn approach(&mut self) {
        self.client.send(&text("x"));
    }

    /// Waits until the loop is held.
    fn hold(&self) {
        self.held.recv_timeout(DEADLINE).expect("it comes");
    }

    /// Has something done on the loop's thread, which then goes on, and says what came of it.
    fn release<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, outcome) = channel();
        let task = move || done.send(act()).expect("the test waits");
        self.tasks.send(Box::new(task)).expect("it is held");
        outcome.recv_timeout(DEADLINE).expect("it never ends")
    }
}

/// A message as large as its topic takes in a turn.
const LARGEST: [u8; 4096] = [b'x'; 4096];

fn small_logs(config: &mut Config) {
    config.message_bytes_max = "4KiB".parse().expect("a size");
    config.topic_log_bytes_max = "16KiB".parse().expect("a size");
    config.send_buffer_bytes = "4KiB".parse().expect("a size");
    config.slow_policy = "skip".parse().expect("a policy");
}

#[test]
fn a_full_topic_holds_up_itself_alone() {
    let (embedded, mut gate) = Gatekeeper::run(small_logs);
    let handle = &embedded.handle;
    let _silent = join(embedded.address, "/ws/full");
    let mut reader = join(embedded.address, "/ws/free");
    gate.approach();
    gate.hold();
    let publish = |topic, payload: &[u8]| {
        let receipt = handle.publish(topic, MessageKind::Text, payload);
        receipt.expect("the queue has space")
    };
    // Each takes a turn.
    let mut full: Vec<Receipt> = (0..900).map(|_| publish("full", &LARGEST)).collect();
    let free = publish("free", b"first");
    let last = full.pop().expect("it was published");
    gate.approach();
    gate.release(|| {});
    gate.hold();
    let (free, last) = gate.release(|| (free.wait(), last.wait()));
    let free = free.expect("it waited for another topic");
    assert_eq!(free.map(|id| id.number), Some(1));
    assert_eq!(last, Err(ReceiptError::OnLoop), "there was space after all");
    reader.expect_text("first");
    let numbers = in_time(|| {
        let ids = full.into_iter().map(|receipt| receipt.wait());
        ids.map(|id| id.expect("it runs").expect("a reader").number)
            .collect::<Vec<_>>()
    });
    assert!(numbers.into_iter().eq(1..=899), "the order of their coming");
    handle.stop().expect("it runs");
}

#[test]
fn hooks_and_threads_fill_queues_of_their_own() {
    let (embedded, mut gate) = Gatekeeper::run(|_| {});
    let fill = |handle: &Handle| {
        let publish = || handle.try_publish("flood", MessageKind::Text, "x");
        let refused = (0..).find_map(|_| publish().err());
        assert_eq!(refused, Some(PublishError::QueueFull));
    };
    let answer = |handle: &Handle| handle.try_publish("gate", MessageKind::Text, "answer");
    for _ in 0..3 {
        let handle = embedded.handle.clone();
        gate.approach();
        gate.hold();
        fill(&handle);
        assert_eq!(gate.release(move || answer(&handle)), Ok(()));
        gate.client.expect_text("x");
        gate.client.expect_text("answer");
    }
    let handle = embedded.handle.clone();
    gate.approach();
    gate.hold();
    let elsewhere = gate.release(move || {
        fill(&handle);
        thread::spawn(move || answer(&handle)).join()
    });
    assert_eq!(elsewhere.expect("it does not panic"), Ok(()));
    gate.client.expect_text("x");
    gate.client.expect_text("answer");
    embedded.handle.stop().expect("it runs");
}

/// Publishes at each message as much as the queue takes.
struct Chatterbox(Arc<OnceLock<Handle>>);

impl Hooks for Chatterbox {
    fn on_message(&mut self, _: ConnId, _: &Published<'_>) {
        let handle = self
            .0
            .get()
            .expect("it was set before the first connection");
        while handle.try_publish("flood", MessageKind::Text, "x").is_ok() {}
    }
}

#[test]
fn a_hook_that_publishes_without_end_holds_up_no_client() {
    let slot = Arc::new(OnceLock::new());
    let embedded = run(Chatterbox(slot.clone()));
    let handle = &embedded.handle;
    slot.set(handle.clone()).expect("it is empty");
    let mut flooded = join(embedded.address, "/ws/flood");
    let mut client = join(embedded.address, "/ws/a");
    for number in 0..50 {
        client.send(&text(&number.to_string()));
        client.expect_text(&number.to_string());
        flooded.expect_text("x");
        let receipt = handle.publish("a", MessageKind::Text, "y");
        let receipt = receipt.expect("it runs");
        assert!(in_time(|| receipt.wait()).is_ok());
        client.expect_text("y");
    }
    handle.stop().expect("it runs");
    drop((client, flooded));
    embedded.ended.recv_timeout(DEADLINE).expect("it ends");
}
